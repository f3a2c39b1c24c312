// Policies that need a calibration of the model, or gain by one.
#pragma once

#include "cache/policy.h"

namespace scalekv::cache {

// Drafter layers keep their history, refiners almost none (ScaleKV, arXiv 2505.19602). Without a calibration the
// that covers the picture's scales the drafters are default_drafters.
Policy make_scalekv(const PolicyRequest& request, const CacheGeometry& geometry);
// The same with the first map always kept (cache/keep_first.h).
Policy make_scalekv_first(const PolicyRequest& request, const CacheGeometry& geometry);
// Whole source scales per head, ranked offline (HeatKV, arXiv 2605.14877).
Policy make_heatkv(const PolicyRequest& request, const CacheGeometry& geometry);
// Contextual and structural heads (HACK, arXiv 2504.09261, with the scores of HACK++, arXiv 2606.08302).
Policy make_hack(const PolicyRequest& request, const CacheGeometry& geometry);
// Our own: numbers of tokens planned ahead by the harm of their loss, the others folded into one (cache/adaptive.h).
Policy make_adaptive(const PolicyRequest& request, const CacheGeometry& geometry);

}  // namespace scalekv::cache
