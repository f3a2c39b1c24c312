#include "cache/adaptive.h"

#include <algorithm>

#include "cache/regions.h"
#include "core/error.h"

namespace scalekv::cache {
namespace {

// A region of one source scale in one head.
struct Part {
  int head = 0;  // layer * heads + head
  int source = 0;
  std::int64_t region = 0;
  double harm = 0.0;  // of removing one of its tokens, summed over the scales still to come
};

// The calibration's regions, and where the geometry's tokens lie in them. Both may differ in aspect.
class Places {
 public:
  Places(const CacheGeometry& calibrated, const CacheGeometry& geometry) {
    for (int source = 0; source + 1 < geometry.scale_count(); ++source) {
      const MapSize grid = calibrated.scales[static_cast<std::size_t>(source)];
      const MapSize map = geometry.scales[static_cast<std::size_t>(source)];
      std::vector<std::vector<std::int64_t>> regions(static_cast<std::size_t>(region_count(grid)));
      for (std::int64_t position = 0; position < map.tokens(); ++position) {
        regions[static_cast<std::size_t>(region_of(position, map, grid))].push_back(geometry.tokens_before(source) +
                                                                                    position);
      }
      tokens_.push_back(std::move(regions));
    }
  }

  std::size_t regions(int source) const { return tokens_[static_cast<std::size_t>(source)].size(); }
  // Positions in the pyramid.
  const std::vector<std::int64_t>& tokens(const Part& part) const {
    return tokens_[static_cast<std::size_t>(part.source)][static_cast<std::size_t>(part.region)];
  }

 private:
  std::vector<std::vector<std::vector<std::int64_t>>> tokens_;  // [source][region]
};

// Every region of the history that scale index `first` finds, most harmful to lose first.
std::vector<Part> rank_parts(const AttentionStatistics& statistics, const Places& places, int first, int scales) {
  const CacheGeometry& calibrated = statistics.geometry();
  std::vector<Part> parts;
  for (int head = 0; head < calibrated.layers * calibrated.heads; ++head) {
    const std::size_t begin = parts.size();
    for (int source = 0; source < first; ++source) {
      for (std::size_t region = 0; region < places.regions(source); ++region) {
        parts.push_back({head, source, static_cast<std::int64_t>(region), 0.0});
      }
    }
    for (int scale = first; scale < scales; ++scale) {
      // A scale's regions begin with those of all sources before `first`.
      const HeadStatistics means = statistics.at(scale, head / calibrated.heads, head % calibrated.heads);
      for (std::size_t i = begin; i < parts.size(); ++i) parts[i].harm += means.removal[i - begin];
    }
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.harm > b.harm; });
  return parts;
}

}  // namespace

std::int64_t folded_tokens(std::int64_t mean) { return mean > 1 ? 1 : 0; }

TokenPlan plan_tokens(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean) {
  const Places places(statistics.geometry(), geometry);
  const auto heads = static_cast<std::size_t>(geometry.layers * geometry.heads);
  TokenPlan plan;
  std::vector<std::vector<bool>> alive(heads);
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const auto history = static_cast<std::size_t>(geometry.tokens_before(number - 1));
    for (std::vector<bool>& tokens : alive) tokens.resize(history, true);  // the last map has just come
    if (static_cast<std::int64_t>(history) <= mean) continue;
    std::vector<std::vector<bool>> kept(heads, std::vector<bool>(history, false));
    for (std::vector<bool>& tokens : kept) tokens[0] = true;
    std::int64_t left = static_cast<std::int64_t>(heads) * (mean - folded_tokens(mean) - 1);
    for (const Part& part : rank_parts(statistics, places, number - 1, geometry.scale_count())) {
      if (left <= 0) break;
      std::vector<bool>& mine = kept[static_cast<std::size_t>(part.head)];
      for (const std::int64_t token : places.tokens(part)) {
        const auto at = static_cast<std::size_t>(token);
        if (left <= 0 || mine[at] || !alive[static_cast<std::size_t>(part.head)][at]) continue;
        mine[at] = true;
        --left;
      }
    }
    alive = kept;
    plan.emplace(number, std::move(kept));
  }
  return plan;
}

Policy make_adaptive(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  TokenPlan plan = plan_tokens(request.calibration->statistics, geometry, mean);
  return make_planned(request.name, geometry, mean, std::move(plan), folded_tokens(mean) > 0);
}

}  // namespace scalekv::cache
