#include "cache/calibrated_regions.h"

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

std::vector<double> harm_of_removal(const AttentionStatistics& statistics, int head, int first, int scales) {
  const CacheGeometry& geometry = statistics.geometry();
  std::vector<double> harm(removal_regions(geometry, first), 0.0);
  for (int scale = first; scale < scales; ++scale) {
    // A scale's regions begin with those of all sources before `first`.
    const HeadStatistics means = statistics.at(scale, head / geometry.heads, head % geometry.heads);
    for (std::size_t region = 0; region < harm.size(); ++region) harm[region] += means.removal[region];
  }
  return harm;
}

}  // namespace scalekv::cache
