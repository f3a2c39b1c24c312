#include "cache/planned.h"

#include <algorithm>

#include "base/error.h"

namespace scalekv::cache {
namespace {

// Keeps what a token plan says and has the rest folded into the place of the first token that goes.
class PlannedSelector final : public Selector {
 public:
  PlannedSelector(CacheGeometry geometry, std::shared_ptr<const TokenPlan> plan, bool folds)
      : geometry_(std::move(geometry)), plan_(std::move(plan)), folds_(folds) {}

  bool by_position() const override { return true; }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    const std::vector<bool>& stays = planned(facts);
    std::size_t written = 0;
    bool folded = !folds_;
    for (std::int64_t j = 0; j < facts.tokens(); ++j) {
      const bool mine = stays[static_cast<std::size_t>(pyramid_position(geometry_, facts, input, j))];
      if (!mine && folded) continue;
      folded = folded || !mine;
      SCALEKV_ASSERT(written < kept.size());
      kept[written++] = static_cast<std::int32_t>(j);
    }
    SCALEKV_ASSERT(written == kept.size());
  }

  std::int32_t fold_slot(const SelectionFacts& facts, const SelectionInput& input,
                         std::span<const std::int32_t> kept) const override {
    if (!folds_) return -1;
    const std::vector<bool>& stays = planned(facts);
    const auto slot = std::find_if(kept.begin(), kept.end(), [&](std::int32_t index) {
      return !stays[static_cast<std::size_t>(pyramid_position(geometry_, facts, input, index))];
    });
    return slot == kept.end() ? -1 : *slot;
  }

 private:
  const std::vector<bool>& planned(const SelectionFacts& facts) const {
    const int number = std::min(facts.scale + 2, plan_->rbegin()->first);
    return plan_->at(number)[static_cast<std::size_t>(facts.layer * geometry_.heads + facts.head)];
  }

  CacheGeometry geometry_;
  std::shared_ptr<const TokenPlan> plan_;
  bool folds_;
};

// How many tokens a token plan leaves to every head. folds: one more where any is dropped, for the folded one.
Budget planned_budget(const CacheGeometry& geometry, std::int64_t mean, const TokenPlan& plan, bool folds) {
  std::map<int, std::vector<std::int64_t>> rows;
  for (const auto& [number, heads] : plan) {
    for (const std::vector<bool>& kept : heads) {
      const std::int64_t count = std::count(kept.begin(), kept.end(), true);
      const bool whole = count == static_cast<std::int64_t>(kept.size());
      rows[number].push_back(folds && !whole ? count + 1 : count);
    }
  }
  return Budget(geometry.layers, geometry.heads, mean, std::move(rows));
}

}  // namespace

Policy plan_policy(const std::string& name, const CacheGeometry& geometry, std::int64_t mean, TokenPlan plan,
                   bool folds) {
  Policy policy{.name = name, .budget = Budget(), .selector = nullptr, .folds = folds};
  if (plan.empty()) return policy;
  policy.budget = planned_budget(geometry, mean, plan, folds);
  policy.plan = std::make_shared<const TokenPlan>(std::move(plan));
  return policy;
}

Policy make_planned(const std::string& name, const CacheGeometry& geometry, std::int64_t mean, TokenPlan plan,
                    bool folds) {
  Policy policy = plan_policy(name, geometry, mean, std::move(plan), folds);
  if (policy.plan) policy.selector = std::make_shared<PlannedSelector>(geometry, policy.plan, folds);
  return policy;
}

}  // namespace scalekv::cache
