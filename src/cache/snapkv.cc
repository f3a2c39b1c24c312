// SnapKV (arXiv 2404.14469): the last tokens observe the cache; what they attend to stays. Carried over: the last 16
// tokens of the current map (its lower right end) observe and are kept; weights are summed over them and averaged over
// 5 neighbours in cache order, as the published code pools; every layer and head has the same budget.
#include "cache/policy.h"

namespace scalekv::cache {
namespace {

constexpr int kWindow = 16;
constexpr int kPool = 5;

class LastWindowSelector final : public Selector {
 public:
  // The window is the end of the cache; it does not pool into the rest.
  std::optional<ScoreRule> rule(const SelectionFacts&) const override {
    return ScoreRule{.pool = kPool, .average = true, .pooled_always = ScoreRule::Always::cut_off};
  }
  QueryForm query_form() const override { return QueryForm::attention; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return last_window(facts.map.tokens(), fitting_window(kWindow, facts.capacity));
  }

  std::vector<std::int64_t> always(const SelectionFacts& facts) const override {
    return in_cache(observed_queries(facts), facts);
  }
};

}  // namespace

std::unique_ptr<const Selector> make_last_window_selector() { return std::make_unique<LastWindowSelector>(); }

Policy make_snapkv(const PolicyRequest& request, const CacheGeometry& geometry) {
  return {request.name, make_uniform_budget(geometry, mean_tokens(request.share, geometry)),
          make_last_window_selector()};
}

}  // namespace scalekv::cache
