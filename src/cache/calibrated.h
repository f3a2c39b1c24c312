// Policies that stand on a calibration of the model.
#pragma once

#include "cache/policy.h"

namespace scalekv::cache {

// Whole source scales per head, ranked offline (HeatKV, arXiv 2605.14877).
Policy make_heatkv(const PolicyRequest& request, const CacheGeometry& geometry);
// Contextual and structural heads (HACK, arXiv 2504.09261, with the scores of HACK++, arXiv 2606.08302).
Policy make_hack(const PolicyRequest& request, const CacheGeometry& geometry);
// Our own: tokens planned ahead by the harm of their loss, the others folded into one (cache/adaptive.h).
Policy make_adaptive(const PolicyRequest& request, const CacheGeometry& geometry);

}  // namespace scalekv::cache
