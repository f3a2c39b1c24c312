#include "cache/keep_first.h"

#include <algorithm>
#include <numeric>

namespace scalekv::cache {
namespace {

class KeepFirstSelector final : public Selector {
 public:
  KeepFirstSelector(std::int64_t tokens, std::shared_ptr<const Selector> inner)
      : tokens_(tokens), inner_(std::move(inner)) {}

  std::optional<ScoreRule> rule(const SelectionFacts& facts) const override {
    const std::int64_t first = first_tokens(facts);
    std::optional<ScoreRule> rule = inner_->rule(without_first(facts, first));
    if (rule) rule->first += first;
    return rule;
  }
  bool by_position() const override { return inner_->by_position(); }
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

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    if (rule(facts)) return Selector::select(facts, input, kept);
    const std::int64_t first = first_tokens(facts);
    std::iota(kept.begin(), kept.begin() + first, 0);
    const std::span<std::int32_t> others = kept.subspan(static_cast<std::size_t>(first));
    if (others.empty()) return;
    const SelectionRest rest = without_first(facts, input, first);
    inner_->select(rest.facts, rest.input, others);
    for (std::int32_t& index : others) index += static_cast<std::int32_t>(first);
  }

  std::int32_t fold_slot(const SelectionFacts& facts, const SelectionInput& input,
                         std::span<const std::int32_t> kept) const override {
    if (rule(facts)) return Selector::fold_slot(facts, input, kept);
    const std::int64_t first = first_tokens(facts);
    std::vector<std::int32_t> others(kept.begin() + first, kept.end());
    if (others.empty()) return -1;
    for (std::int32_t& index : others) index -= static_cast<std::int32_t>(first);
    const SelectionRest rest = without_first(facts, input, first);
    const std::int32_t slot = inner_->fold_slot(rest.facts, rest.input, others);
    return slot < 0 ? slot : slot + static_cast<std::int32_t>(first);
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
