// Adaptive, our own policy: how many tokens every head keeps is planned ahead from a calibration, which of them they
// are follows from their values, and what is dropped is folded into one token a head
// (cache/fold.h).
#pragma once

#include <memory>

#include "cache/planned.h"

namespace scalekv::cache {

// Is what a head drops folded? Not where the mean is a single token: that is the first one then.
bool folds(std::int64_t mean);

// Gives layers x heads x (mean - 1) tokens a row, whole regions at a time, to those whose removal does most harm
// (harm_of_removal). The numbers are the policy's; the tokens are those that a budget file names.
TokenPlan plan_tokens(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean);

// Its choice within the planned number: those tokens with the largest product of what the calibration expects of their
// place (harm_of_removal) and the squared distance of their value from the mean of all values of the head: from what
// will stand for them when they are folded. folds: what a head drops becomes one token (cache/fold.h), in the place of
// the least of those kept; else the first token always stays.
std::unique_ptr<const Selector> make_adaptive_selector(const CacheGeometry& geometry,
                                                       std::shared_ptr<const Calibration> calibration, bool folds);

}  // namespace scalekv::cache
