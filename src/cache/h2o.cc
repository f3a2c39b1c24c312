// H2O: half of the budget goes to the heavy hitters, the tokens that have received most attention so far, half to the
// most recent. Carried over: a step is a scale, and every query of the map counts; sums begin at the first scale that
// has to drop something (before it nothing is at stake), and travel with the tokens that stay.
#include <algorithm>
#include <numeric>

#include "cache/rivals.h"

namespace scalekv::cache {
namespace {

class HeavyHitterSelector final : public Selector {
 public:
  QueryForm query_form() const override { return QueryForm::attention; }
  bool accumulates() const override { return true; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return last_window(facts.map.tokens(), static_cast<int>(facts.map.tokens()));
  }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    const std::vector<float> attention = observed_attention(input);
    for (std::size_t j = 0; j < attention.size(); ++j) input.received[j] += attention[j];
    std::vector<std::int64_t> recent(static_cast<std::size_t>(facts.capacity / 2));
    std::iota(recent.begin(), recent.end(), facts.tokens() - facts.capacity / 2);
    keep_always_and_best({input.received.begin(), input.received.end()}, recent, kept);
  }
};

}  // namespace

Policy make_h2o(const PolicyRequest& request, const CacheGeometry& geometry) {
  return {request.name, make_uniform_budget(geometry, mean_tokens(request.share, geometry)),
          std::make_shared<HeavyHitterSelector>()};
}

}  // namespace scalekv::cache
