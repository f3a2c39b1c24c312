// Adaptive, our own policy: how many tokens every head keeps is planned ahead from a calibration, which of them they
// are follows from their values (cache/adaptive_selector.h), and what is dropped is folded into one token a head
// (cache/fold.h).
#pragma once

#include "cache/planned.h"

namespace scalekv::cache {

// Is what a head drops folded? Not where the mean is a single token: that is the first one then.
bool folds(std::int64_t mean);

// Gives layers x heads x (mean - 1) tokens a row, whole regions at a time, to those whose removal does most harm
// (cache/calibrated_regions.h). The numbers are the policy's; the tokens are those that a budget file names.
TokenPlan plan_tokens(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean);

}  // namespace scalekv::cache
