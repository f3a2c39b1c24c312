// The regions of a calibration, and where the tokens of a picture lie in them. The two may differ in aspect.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/attention_statistics.h"
#include "cache/geometry.h"

namespace scalekv::cache {

// Numbered source after source, as the entries of HeadStatistics::removal.
class CalibratedRegions {
 public:
  CalibratedRegions(const CacheGeometry& calibrated, const CacheGeometry& geometry);

  // Region of a position in the pyramid, the last map left out.
  std::size_t of(std::int64_t position) const { return region_[static_cast<std::size_t>(position)]; }
  // Positions in the pyramid, ascending.
  const std::vector<std::int64_t>& tokens(std::size_t region) const { return tokens_[region]; }

 private:
  std::vector<std::size_t> region_;                // [position]
  std::vector<std::vector<std::int64_t>> tokens_;  // [region]
};

// What removing one token does to a head's outputs (HeadStatistics::removal), by region of the history that scale index
// `first` finds, summed over the scales still to come: what is dropped is gone for good. A picture of `scales` scales
// may have fewer than were measured. head: layer * heads + head.
std::vector<double> harm_of_removal(const AttentionStatistics& statistics, int head, int first, int scales);

}  // namespace scalekv::cache
