// HeatKV: the cache as blocks (layer, head, source scale). A block's heat is the mean attention mass that it receives
// over the later scales, measured offline. The first 3 scales stay everywhere; of the others the coldest go, whole,
// until the budget holds. Carried over: budgets here grow tight scale by scale, so the same ranking is applied at every
// scale; because it is one ranking, a block that is gone never comes back. Where the first 3 scales alone are more than
// the budget, fewer are protected.
#include <algorithm>
#include <numeric>

#include "cache/calibrated.h"
#include "core/error.h"

namespace scalekv::cache {
namespace {

constexpr int kProtectedScales = 3;

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

class BlockSelector final : public Selector {
 public:
  BlockSelector(CacheGeometry geometry, std::map<int, std::vector<std::uint64_t>> kept)
      : geometry_(std::move(geometry)), kept_(std::move(kept)) {}

  QueryForm query_form() const override { return QueryForm::none; }
  std::vector<std::int64_t> observed_queries(const SelectionFacts&) const override { return {}; }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    const int number = std::min(facts.scale + 2, kept_.rbegin()->first);
    const std::uint64_t sources =
        kept_.at(number)[static_cast<std::size_t>(facts.layer * geometry_.heads + facts.head)];
    std::size_t written = 0;
    int source = 0;
    for (std::int32_t j = 0; j < static_cast<std::int32_t>(facts.tokens()); ++j) {
      const std::int64_t origin =
          j < facts.history ? input.origin(j) : geometry_.tokens_before(facts.scale) + j - facts.history;
      while (origin >= geometry_.tokens_before(source + 1)) ++source;
      if ((sources >> source & 1U) != 0) kept[written++] = j;
    }
    SCALEKV_ASSERT(written == kept.size());
  }

 private:
  CacheGeometry geometry_;
  std::map<int, std::vector<std::uint64_t>> kept_;
};

}  // namespace

std::map<int, std::vector<std::uint64_t>> choose_blocks(const AttentionStatistics& statistics,
                                                        const CacheGeometry& geometry, std::int64_t mean) {
  const std::int64_t heads = std::int64_t{geometry.layers} * geometry.heads;
  int sheltered = 1;
  while (sheltered < kProtectedScales && geometry.tokens_before(sheltered + 1) <= mean) ++sheltered;
  const std::vector<Block> ranked = rank_blocks(statistics, geometry, sheltered);
  std::map<int, std::vector<std::uint64_t>> rows;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const std::int64_t history = geometry.tokens_before(number - 1);
    if (history <= mean) continue;
    auto& row = rows[number];
    row.assign(static_cast<std::size_t>(heads), (std::uint64_t{1} << (number - 1)) - 1);
    std::int64_t total = heads * history;
    for (const Block& block : ranked) {
      if (total <= heads * mean) break;
      if (block.source >= number - 1) continue;
      row[static_cast<std::size_t>(block.head)] &= ~(std::uint64_t{1} << block.source);
      total -= geometry.map_tokens(block.source);
    }
  }
  return rows;
}

Policy make_heatkv(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  auto blocks = choose_blocks(request.calibration->statistics, geometry, mean);
  if (blocks.empty()) return {request.name, Budget(), nullptr};
  std::map<int, std::vector<std::int64_t>> rows;
  for (const auto& [number, row] : blocks) {
    for (const std::uint64_t sources : row) {
      std::int64_t tokens = 0;
      for (int source = 0; source < number - 1; ++source) {
        if ((sources >> source & 1U) != 0) tokens += geometry.map_tokens(source);
      }
      rows[number].push_back(tokens);
    }
  }
  return {request.name, Budget(geometry.layers, geometry.heads, mean, std::move(rows)),
          std::make_shared<BlockSelector>(geometry, std::move(blocks))};
}

}  // namespace scalekv::cache
