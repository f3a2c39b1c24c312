// Which tokens of a head `adaptive` keeps, within the number that was planned for it.
#pragma once

#include <memory>

#include "cache/calibrated_regions.h"
#include "cache/calibration.h"
#include "cache/selector.h"

namespace scalekv::cache {

// Keeps those tokens with the largest product of what the calibration expects of their place (harm_of_removal) and the
// squared distance of their value from the mean of all values of the head: from what will stand for them when they are
// folded. folds: what a head drops becomes one token (cache/fold.h), in the place of the least of those kept; else
// the first token always stays.
std::unique_ptr<const Selector> make_adaptive_selector(const CacheGeometry& geometry,
                                                       std::shared_ptr<const Calibration> calibration, bool folds);

}  // namespace scalekv::cache
