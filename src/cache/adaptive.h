// Adaptive, our own policy: which tokens every head keeps is planned ahead from a calibration, and what is dropped is
// folded into one token a head (cache/merge.h).
#pragma once

#include "cache/calibrated.h"
#include "cache/planned.h"

namespace scalekv::cache {

// Tokens a head that are set aside for the folded one: none where the mean is a single token.
std::int64_t folded_tokens(std::int64_t mean);

// Gives layers x heads x (mean - folded) tokens a row, whole regions at a time, to those whose removal does most harm:
// HeadStatistics::removal summed over all scales that are still to come. The first token always stays, because it
// carries the prompt and is what most queries lean on.
TokenPlan plan_tokens(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean);

}  // namespace scalekv::cache
