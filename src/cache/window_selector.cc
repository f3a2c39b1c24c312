// ScaleKV's selector in its two forms: a window of the current map observes the cache and keeps what it attends to.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cache/selector.h"
#include "core/error.h"

namespace scalekv::cache {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// score[j] = sum_d query[d] key[j][d] for the keys of one segment.
void dot_keys(const kernels::KeyValueSegment& segment, std::span<const float> query, float* scores) {
  const auto size = static_cast<std::int64_t>(query.size());
  for (std::int64_t j = 0; j < segment.count; ++j) {
    const float* key = segment.keys + j * segment.stride;
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t d = 0; d < size; ++d) sum += query[static_cast<std::size_t>(d)] * key[d];
    scores[j] = sum;
  }
}

void dot_cache(const SelectionInput& input, std::span<const float> query, std::span<float> scores) {
  dot_keys(input.history, query, scores.data());
  dot_keys(input.map, query, scores.data() + input.history.count);
}

// The window stays; the best of the others fill the capacity. `scores` is destroyed.
void keep_window_and_best(std::vector<float>& scores, std::span<const std::int64_t> window,
                          const WindowOptions& options, std::span<std::int32_t> kept) {
  for (const std::int64_t index : window) scores[static_cast<std::size_t>(index)] = kMinusInfinity;
  std::vector<float> pooled = pool_scores(scores, options.pool, options.average);
  pooled.resize(scores.size());
  // The window is marked with +inf to be picked first: at most `capacity` tokens long, it always fits.
  for (const std::int64_t index : window)
    pooled[static_cast<std::size_t>(index)] = std::numeric_limits<float>::infinity();
  const std::vector<std::int32_t> picked = largest(pooled, static_cast<std::int64_t>(kept.size()));
  std::copy(picked.begin(), picked.end(), kept.begin());
}

// A budget smaller than the window gets a smaller window: the largest square that leaves half of it to the history.
int fitting_window(int window, std::int64_t capacity) {
  if (capacity >= window) return window;
  auto side = static_cast<int>(std::sqrt(static_cast<double>(capacity) / 2.0));
  return std::max(1, side * side);
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
    const auto tokens = static_cast<std::size_t>(facts.tokens());
    std::vector<float> scores(tokens, 0.0F);
    std::vector<float> logits(tokens);
    for (std::int64_t i = 0; i < input.queries.size(0); ++i) {
      const std::span query(input.queries.at(i, 0), static_cast<std::size_t>(input.queries.size(1)));
      dot_cache(input, query, logits);
      const float top = *std::max_element(logits.begin(), logits.end());
      double total = 0.0;
      for (float& logit : logits) total += logit = std::exp(logit - top);
      for (std::size_t j = 0; j < tokens; ++j) scores[j] += logits[j] / static_cast<float>(total);
    }
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
