// Rivals of ScaleKV that were made for language models, carried over to scales.
#include <algorithm>
#include <numeric>

#include "cache/policy.h"

namespace scalekv::cache {
namespace {

// Every layer and head has the same budget.
Policy uniform_policy(const PolicyRequest& request, const CacheGeometry& geometry,
                      std::shared_ptr<const Selector> selector) {
  return {request.name, make_uniform_budget(geometry, mean_tokens(request.share, geometry)), std::move(selector)};
}

// The first tokens (sinks) and the most recent ones.
class RecentSelector final : public Selector {
 public:
  explicit RecentSelector(std::int64_t sinks) : sinks_(sinks) {}

  bool by_position() const override { return true; }

  // Sinks are never dropped, so they are the first of the cache at every scale. A tiny budget leaves half to them.
  void select(const SelectionFacts& facts, const SelectionInput&, std::span<std::int32_t> kept) const override {
    const std::int64_t sinks = std::min(sinks_, (facts.capacity + 1) / 2);
    std::iota(kept.begin(), kept.begin() + sinks, 0);
    std::iota(kept.begin() + sinks, kept.end(), static_cast<std::int32_t>(facts.tokens() - facts.capacity + sinks));
  }

 private:
  std::int64_t sinks_;
};

// The end of the map observes the cache, and stays. It does not pool into the rest.
class LastWindowSelector final : public Selector {
 public:
  std::optional<ScoreRule> rule(const SelectionFacts&) const override {
    constexpr int kPool = 5;
    return ScoreRule{.pool = kPool, .average = true, .pooled_always = ScoreRule::Always::cut_off};
  }
  QueryForm query_form() const override { return QueryForm::attention; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    constexpr int kWindow = 16;
    return last_window(facts.map.tokens(), fitting_window(kWindow, facts.capacity));
  }

  std::vector<std::int64_t> always(const SelectionFacts& facts) const override {
    return in_cache(observed_queries(facts), facts);
  }
};

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

// Sliding window (Longformer, arXiv 2004.05150): the cache in its own order, cut to the most recent tokens. With maps
// larger than the budget that is the lower part of the last map; nothing of the pyramid above it stays.
Policy make_sliding_window(const PolicyRequest& request, const CacheGeometry& geometry) {
  return uniform_policy(request, geometry, std::make_shared<RecentSelector>(0));
}

// StreamingLLM (arXiv 2309.17453): attention sinks and recent tokens. The published method keeps the first 4 tokens of
// a text; in a pyramid the tokens that everybody looks at are the first scales, 1 + 4 tokens, so these are the sinks.
Policy make_streaming_llm(const PolicyRequest& request, const CacheGeometry& geometry) {
  constexpr std::int64_t kSinks = 5;
  return uniform_policy(request, geometry, std::make_shared<RecentSelector>(kSinks));
}

// SnapKV (arXiv 2404.14469): the last tokens observe the cache; what they attend to stays. Carried over: the last 16
// tokens of the current map (its lower right end) observe and are kept; weights are summed over them and averaged over
// 5 neighbours in cache order, as the published code pools.
Policy make_snapkv(const PolicyRequest& request, const CacheGeometry& geometry) {
  return uniform_policy(request, geometry, std::make_shared<LastWindowSelector>());
}

// PyramidKV (arXiv 2406.02069): SnapKV's tokens with a budget of its own (pyramid_row). Early layers, which spread
// their attention, get more than late ones.
Policy make_pyramidkv(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  std::map<int, std::vector<std::int64_t>> rows;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const std::int64_t history = geometry.tokens_before(number - 1);
    if (history <= mean) continue;
    auto& row = rows[number];
    for (const std::int64_t capacity : pyramid_row(geometry.layers, mean, history)) {
      row.insert(row.end(), static_cast<std::size_t>(geometry.heads), capacity);
    }
  }
  return {request.name, Budget(geometry.layers, geometry.heads, mean, std::move(rows)),
          std::make_shared<LastWindowSelector>()};
}

// H2O (arXiv 2306.14048): half of the budget goes to the heavy hitters, the tokens that have received most attention so
// far, half to the most recent. Carried over: a step is a scale, and every query of the map counts; sums begin at the
// first scale that has to drop something (before it nothing is at stake), and travel with the tokens that stay.
Policy make_h2o(const PolicyRequest& request, const CacheGeometry& geometry) {
  return uniform_policy(request, geometry, std::make_shared<HeavyHitterSelector>());
}

}  // namespace scalekv::cache
