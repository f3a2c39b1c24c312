// ScaleKV's selector in its two forms: a window of the current map observes the cache and keeps what it attends to.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "cache/selector.h"

namespace scalekv::cache {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// The window stays; the best of the others fill the capacity. `scores` is destroyed.
void keep_window_and_best(std::vector<float>& scores, std::span<const std::int64_t> window,
                          const WindowOptions& options, std::span<std::int32_t> kept) {
  for (const std::int64_t index : window) scores[static_cast<std::size_t>(index)] = kMinusInfinity;
  std::vector<float> pooled = pool_scores(scores, options.pool, options.average);
  pooled.resize(scores.size());
  keep_always_and_best(std::move(pooled), window, kept);
}

class ReferenceSelector final : public Selector {
 public:
  explicit ReferenceSelector(const WindowOptions& options) : options_(options) {}

  QueryForm query_form() const override { return QueryForm::projected; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    std::vector<std::int64_t> positions;
    for (const std::int64_t index : window(facts)) {
      positions.push_back(std::clamp<std::int64_t>(index - facts.history, 0, facts.map.tokens() - 1));
    }
    return positions;
  }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    const std::int64_t size = input.queries.size(1);
    // The sum over the window's queries of q . k is (sum of q) . k.
    std::vector<float> summed(static_cast<std::size_t>(size), 0.0F);
    for (std::int64_t i = 0; i < input.queries.size(0); ++i) {
      for (std::int64_t d = 0; d < size; ++d) summed[static_cast<std::size_t>(d)] += input.queries(i, d);
    }
    for (float& value : summed) value /= std::sqrt(static_cast<float>(size));
    std::vector<float> scores(static_cast<std::size_t>(facts.tokens()));
    dot_cache(input, summed, scores);
    keep_window_and_best(scores, window(facts), options_, kept);
  }

 private:
  std::vector<std::int64_t> window(const SelectionFacts& facts) const {
    return reference_window(facts.scale, facts.tokens(), fitting_window(options_.window, facts.capacity));
  }

  WindowOptions options_;
};

class AttentionSelector final : public Selector {
 public:
  explicit AttentionSelector(const WindowOptions& options) : options_(options) {}

  QueryForm query_form() const override { return QueryForm::attention; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return patch_window(facts.map, fitting_window(options_.window, facts.capacity));
  }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    std::vector<float> scores = observed_attention(input);
    std::vector<std::int64_t> window = observed_queries(facts);
    for (std::int64_t& index : window) index += facts.history;
    keep_window_and_best(scores, window, options_, kept);
  }

 private:
  WindowOptions options_;
};

}  // namespace

std::unique_ptr<const Selector> make_reference_selector(const WindowOptions& options) {
  return std::make_unique<ReferenceSelector>(options);
}

std::unique_ptr<const Selector> make_attention_selector(const WindowOptions& options) {
  return std::make_unique<AttentionSelector>(options);
}

}  // namespace scalekv::cache
