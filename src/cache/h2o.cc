// H2O (arXiv 2306.14048): half of the budget goes to the heavy hitters, the tokens that have received most attention so
// far, half to the most recent. Carried over: a step is a scale, and every query of the map counts; sums begin at the
// first scale that has to drop something (before it every token stays), and travel with the tokens that stay.
#include <numeric>

#include "cache/policy.h"

namespace scalekv::cache {
namespace {

class HeavyHitterSelector final : public Selector {
 public:
  std::optional<ScoreRule> rule(const SelectionFacts&) const override {
    return ScoreRule{.score = ScoreRule::Score::softmax};
  }
  bool accumulates() const override { return true; }
  QueryForm query_form() const override { return QueryForm::attention; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return last_window(facts.map.tokens(), static_cast<int>(facts.map.tokens()));
  }

  std::vector<std::int64_t> always(const SelectionFacts& facts) const override {
    std::vector<std::int64_t> recent(static_cast<std::size_t>(facts.capacity / 2));
    std::iota(recent.begin(), recent.end(), facts.tokens() - facts.capacity / 2);
    return recent;
  }
};

}  // namespace

Policy make_h2o(const PolicyRequest& request, const CacheGeometry& geometry) {
  return {request.name, make_uniform_budget(geometry, mean_tokens(request.share, geometry)),
          std::make_shared<HeavyHitterSelector>()};
}

}  // namespace scalekv::cache
