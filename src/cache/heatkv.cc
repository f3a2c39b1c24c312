// HeatKV (arXiv 2605.14877): the cache as blocks (layer, head, source scale). A block's heat is the mean attention mass
// that it receives over the later scales, measured offline. The first 3 scales stay everywhere; of the others the
// coldest go, whole, until the budget holds. Carried over: budgets here grow tight scale by scale, so the same ranking
// is applied at every scale; because it is one ranking, a block that is gone never comes back. Where the first 3 scales
// alone are more than the budget, fewer are protected. The published code ranks the heads of every source scale apart
// and drops equally many of each (cache/rankings.cc has that rule); one ranking over all blocks, as the paper words
// it, came out better here (docs/ALGORITHM.md) and is taken.
#include <algorithm>

#include "cache/planned.h"
#include "cache/policy.h"

namespace scalekv::cache {
namespace {

struct Block {
  int head = 0;  // layer * heads + head
  int source = 0;
  double heat = 0.0;
};

// Every block that may be dropped, coldest first.
std::vector<Block> rank_blocks(const AttentionStatistics& statistics, const CacheGeometry& geometry, int first_source) {
  std::vector<Block> blocks;
  for (int head = 0; head < geometry.layers * geometry.heads; ++head) {
    for (int source = first_source; source + 1 < geometry.scale_count(); ++source) {
      Block block{head, source, 0.0};
      const int later = geometry.scale_count() - source - 1;
      for (int scale = source + 1; scale < geometry.scale_count(); ++scale) {
        const HeadStatistics means = statistics.at(scale, head / geometry.heads, head % geometry.heads);
        block.heat += means.received[static_cast<std::size_t>(source)] / later;
      }
      blocks.push_back(block);
    }
  }
  std::stable_sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.heat < b.heat; });
  return blocks;
}

}  // namespace

int protected_scales(const CacheGeometry& geometry, std::int64_t mean) {
  int scales = 1;
  while (scales < kProtectedScales && geometry.tokens_before(scales + 1) <= mean) ++scales;
  return scales;
}

TokenPlan plan_blocks(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean) {
  const std::int64_t heads = std::int64_t{geometry.layers} * geometry.heads;
  const std::vector<Block> ranked = rank_blocks(statistics, geometry, protected_scales(geometry, mean));
  TokenPlan plan;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const std::int64_t history = geometry.tokens_before(number - 1);
    if (history <= mean) continue;
    auto& row = plan[number];
    row.assign(static_cast<std::size_t>(heads), std::vector<bool>(static_cast<std::size_t>(history), true));
    std::int64_t total = heads * history;
    for (const Block& block : ranked) {
      if (total <= heads * mean) break;
      if (block.source >= number - 1) continue;
      const auto first = row[static_cast<std::size_t>(block.head)].begin() + geometry.tokens_before(block.source);
      std::fill(first, first + geometry.map_tokens(block.source), false);
      total -= geometry.map_tokens(block.source);
    }
  }
  return plan;
}

Policy make_heatkv(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  return make_planned(request.name, geometry, mean, plan_blocks(request.calibration->statistics, geometry, mean),
                      false);
}

}  // namespace scalekv::cache
