#include "cache/selector.h"

#include <algorithm>

#include "base/error.h"

namespace scalekv::cache {
namespace {

class KeepFirstSelector final : public Selector {
 public:
  KeepFirstSelector(std::int64_t tokens, std::shared_ptr<const Selector> inner)
      : tokens_(tokens), inner_(std::move(inner)) {}

  std::optional<ScoreRule> rule(const SelectionFacts& facts) const override {
    const std::int64_t first = first_tokens(facts);
    std::optional<ScoreRule> rule = inner_->rule(without_first(facts, first));
    SCALEKV_ASSERT(rule.has_value());
    rule->first += first;
    return rule;
  }
  QueryForm query_form() const override { return inner_->query_form(); }
  bool accumulates() const override { return inner_->accumulates(); }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    const std::int64_t first = first_tokens(facts);
    if (first == facts.capacity) return {};
    return inner_->observed_queries(without_first(facts, first));
  }

  std::vector<std::int64_t> always(const SelectionFacts& facts) const override {
    const std::int64_t first = first_tokens(facts);
    if (first == facts.capacity) return {};
    std::vector<std::int64_t> indices = inner_->always(without_first(facts, first));
    for (std::int64_t& index : indices) index += first;
    return indices;
  }

  std::vector<double> weights(const SelectionFacts& facts) const override {
    return inner_->weights(without_first(facts, first_tokens(facts)));
  }

 private:
  std::int64_t first_tokens(const SelectionFacts& facts) const {
    return std::min({tokens_, facts.history, facts.capacity});
  }

  std::int64_t tokens_;
  std::shared_ptr<const Selector> inner_;
};

}  // namespace

std::shared_ptr<const Selector> keep_first(std::int64_t tokens, std::shared_ptr<const Selector> inner) {
  return std::make_shared<KeepFirstSelector>(tokens, std::move(inner));
}

}  // namespace scalekv::cache
