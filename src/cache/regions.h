// Regions: every token map divided into at most 8 x 8 parts, the grain at which calibrations remember places.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cache/geometry.h"

namespace scalekv::cache {

inline constexpr std::int64_t kRegionSide = 8;

inline std::int64_t region_rows(MapSize map) { return std::min(kRegionSide, map.height); }
inline std::int64_t region_columns(MapSize map) { return std::min(kRegionSide, map.width); }
inline std::int64_t region_count(MapSize map) { return region_rows(map) * region_columns(map); }

// The region, among those of `grid`, of a position (row-major) of `map`. Where the two are the same map every region
// has a token; the regions of another map are found by their relative place.
inline std::int64_t region_of(std::int64_t position, MapSize map, MapSize grid) {
  const std::int64_t row = position / map.width * region_rows(grid) / map.height;
  const std::int64_t column = position % map.width * region_columns(grid) / map.width;
  return row * region_columns(grid) + column;
}

// The regions of a calibration, and where the tokens of a picture lie in them: the two may differ in aspect. Numbered
// source after source, as the entries of HeadStatistics::removal.
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

}  // namespace scalekv::cache
