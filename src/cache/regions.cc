#include "cache/regions.h"

namespace scalekv::cache {

CalibratedRegions::CalibratedRegions(const CacheGeometry& calibrated, const CacheGeometry& geometry) {
  for (int source = 0; source + 1 < geometry.scale_count(); ++source) {
    const MapSize grid = calibrated.scales[static_cast<std::size_t>(source)];
    const MapSize map = geometry.scales[static_cast<std::size_t>(source)];
    const std::size_t before = tokens_.size();
    tokens_.resize(before + static_cast<std::size_t>(region_count(grid)));
    for (std::int64_t position = 0; position < map.tokens(); ++position) {
      const std::size_t region = before + static_cast<std::size_t>(region_of(position, map, grid));
      region_.push_back(region);
      tokens_[region].push_back(geometry.tokens_before(source) + position);
    }
  }
}

}  // namespace scalekv::cache
