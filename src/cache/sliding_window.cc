// Sliding window (Longformer, arXiv 2004.05150): the cache in its own order, cut to the most recent tokens. With maps
// larger than the budget that is the lower part of the last map; nothing of the pyramid above it stays.
#include <numeric>

#include "cache/policy.h"

namespace scalekv::cache {
namespace {

class RecentSelector final : public Selector {
 public:
  bool by_position() const override { return true; }

  void select(const SelectionFacts& facts, const SelectionInput&, std::span<std::int32_t> kept) const override {
    std::iota(kept.begin(), kept.end(), static_cast<std::int32_t>(facts.tokens() - facts.capacity));
  }
};

}  // namespace

Policy make_sliding_window(const PolicyRequest& request, const CacheGeometry& geometry) {
  return {request.name, make_uniform_budget(geometry, mean_tokens(request.share, geometry)),
          std::make_shared<RecentSelector>()};
}

}  // namespace scalekv::cache
