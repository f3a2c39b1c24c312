// HeatKV's rule over its published rankings. A block is what one head keeps of one source scale. With n tokens before a
// scale, L x H heads, B x full allowed to each of them on average and k in the protected first scales, the first
//   x = ceil(L H (n - B full) / (n - k))
// entries of every source scale's list have lost their blocks when the scale begins; none where n <= B full. Layers are
// done one after another, and while the first ones already hold a scale's map the last ones still hold the blocks that
// they lose next. So that the sum over all layers is within the budget after every layer too, blocks of layers that are
// still to come go one scale sooner, as many as needed: those of the last layer first, in it the latest source scale
// first, of that by rank. Their heads do without them at this scale.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/ceil_divide.h"
#include "base/error.h"
#include "cache/rankings.h"

namespace scalekv::cache {
namespace {

// Budgets are counted in parts of a token, whole numbers: the same plan on every machine.
constexpr std::int64_t kParts = 1'000'000;

struct RankedBlock {
  int layer = 0;
  int source = 0;
  int rank = 0;
  int head = 0;  // layer * heads + head

  // In the order in which they go sooner than they must.
  bool operator<(const RankedBlock& other) const {
    return std::tie(other.layer, other.source, rank) < std::tie(layer, source, other.rank);
  }
};

class RankedPlan {
 public:
  RankedPlan(const Rankings& rankings, const CacheGeometry& geometry, double share)
      : rankings_(rankings),
        geometry_(geometry),
        heads_(geometry.layers * geometry.heads),
        allowed_(
            std::max<std::int64_t>(kParts, std::llround(share * static_cast<double>(geometry.history() * kParts)))),
        protected_(protected_scales(geometry, allowed_ / kParts)),
        gone_(static_cast<std::size_t>(geometry.scale_count()), std::vector<bool>(static_cast<std::size_t>(heads_))) {
    SCALEKV_ASSERT(geometry.scale_count() - 1 <= kProtectedScales + kRankedScales);
  }

  TokenPlan make() {
    TokenPlan plan;
    for (int scale = 0; scale < geometry_.scale_count(); ++scale) {
      // gone_: what `scale` does not find.
      const std::vector<RankedBlock> next =
          scale + 1 < geometry_.scale_count() ? blocks_of(scale + 1) : std::vector<RankedBlock>();
      bring_forward(scale, next);
      if (anything_gone()) plan.emplace(scale + 1, row(scale));
      for (const RankedBlock& block : next) gone(block) = true;
    }
    return plan;
  }

 private:
  std::vector<bool>::reference gone(const RankedBlock& block) {
    return gone_[static_cast<std::size_t>(block.source)][static_cast<std::size_t>(block.head)];
  }

  // How many entries of every list have lost their blocks when `scale` begins.
  int count(int scale) const {
    const std::int64_t before = geometry_.tokens_before(scale);
    if (before * kParts <= allowed_) return 0;
    const std::int64_t spare = before - geometry_.tokens_before(protected_);
    return static_cast<int>(ceil_divide(heads_ * (before * kParts - allowed_), spare * kParts));
  }

  // Blocks that go before `scale` and are still there, in the order in which they may go sooner.
  std::vector<RankedBlock> blocks_of(int scale) {
    std::vector<RankedBlock> blocks;
    const int lost = count(scale);
    for (int source = protected_; source < scale; ++source) {
      const std::vector<int>& order = rankings_[static_cast<std::size_t>(std::max(0, source - kProtectedScales))];
      for (int rank = 0; rank < lost; ++rank) {
        const int head = order[static_cast<std::size_t>(rank)];
        const RankedBlock block{head / geometry_.heads, source, rank, head};
        if (!gone(block)) blocks.push_back(block);
      }
    }
    std::sort(blocks.begin(), blocks.end());
    return blocks;
  }

  // Goes over the layers as `scale` does: each stores its map and drops its own of `next`. Where the sum is then
  // above the budget, blocks of later layers go before the scale begins. Those of its own map cannot: it is not there
  // yet.
  void bring_forward(int scale, const std::vector<RankedBlock>& next) {
    std::vector<std::int64_t> change(static_cast<std::size_t>(geometry_.layers),
                                     geometry_.heads * geometry_.map_tokens(scale));
    for (const RankedBlock& block : next)
      change[static_cast<std::size_t>(block.layer)] -= geometry_.map_tokens(block.source);
    std::int64_t sum = 0;
    for (int source = 0; source < scale; ++source) {
      const std::vector<bool>& mine = gone_[static_cast<std::size_t>(source)];
      sum += geometry_.map_tokens(source) * std::count(mine.begin(), mine.end(), false);
    }
    auto sooner = next.begin();
    for (int layer = 0; layer < geometry_.layers; ++layer) {
      sum += change[static_cast<std::size_t>(layer)];
      for (; sum * kParts > heads_ * allowed_ && sooner != next.end() && sooner->layer > layer; ++sooner) {
        if (sooner->source == scale) continue;
        const std::int64_t tokens = geometry_.map_tokens(sooner->source);
        gone(*sooner) = true;
        sum -= tokens;
        change[static_cast<std::size_t>(sooner->layer)] += tokens;  // they are gone already
      }
    }
  }

  bool anything_gone() const {
    return std::any_of(gone_.begin(), gone_.end(), [](const std::vector<bool>& source) {
      return std::find(source.begin(), source.end(), true) != source.end();
    });
  }

  std::vector<std::vector<bool>> row(int scale) const {
    std::vector<std::vector<bool>> kept(static_cast<std::size_t>(heads_));
    for (std::size_t head = 0; head < kept.size(); ++head) {
      for (int source = 0; source < scale; ++source) {
        const auto tokens = static_cast<std::size_t>(geometry_.map_tokens(source));
        kept[head].insert(kept[head].end(), tokens, !gone_[static_cast<std::size_t>(source)][head]);
      }
    }
    return kept;
  }

  const Rankings& rankings_;
  const CacheGeometry& geometry_;
  std::int64_t heads_;                   // of all layers
  std::int64_t allowed_;                 // parts of tokens that a head has on average
  int protected_;                        // scales that stay everywhere
  std::vector<std::vector<bool>> gone_;  // [source scale][layer * heads + head]
};

}  // namespace

TokenPlan plan_rankings(const Rankings& rankings, const CacheGeometry& geometry, double share) {
  return RankedPlan(rankings, geometry, share).make();
}

Policy make_ranked(const Rankings& rankings, const CacheGeometry& geometry, double share) {
  TokenPlan plan = plan_rankings(rankings, geometry, share);
  // Brought forward, blocks may go where the whole history is still within the budget: the base is what the scale
  // before the first row finds.
  const std::int64_t untouched = plan.empty() ? 0 : geometry.tokens_before(plan.begin()->first - 2);
  return make_planned(kRankedPolicy, geometry, untouched, std::move(plan), false);
}

}  // namespace scalekv::cache
