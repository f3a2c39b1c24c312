// Top-k and top-p as the reference applies them, to any number of values: what sample_bits does to two in closed form.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "infinity/sampler.h"

namespace scalekv::infinity {

inline constexpr float kDropped = -std::numeric_limits<float>::infinity();

inline void mask_row(float* row, std::size_t values, const SamplingOptions& options, std::vector<std::size_t>& order) {
  order.resize(values);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] < row[b]; });
  const auto top_k = static_cast<std::size_t>(options.top_k);
  if (top_k > 0 && top_k < values) {
    const float least = row[order[values - top_k]];  // values equal to the k-th likeliest stay
    for (std::size_t v = 0; v < values; ++v) {
      if (row[v] < least) row[v] = kDropped;
    }
  }
  if (options.top_p <= 0.0) return;
  const float top = row[order.back()];
  float total = 0.0F;
  for (std::size_t v = 0; v < values; ++v) total += std::exp(row[v] - top);
  const auto tail = static_cast<float>(1.0 - options.top_p);
  float cumulative = 0.0F;
  for (std::size_t i = 0; i + 1 < values; ++i) {
    cumulative += std::exp(row[order[i]] - top) / total;
    if (cumulative <= tail) row[order[i]] = kDropped;
  }
}

// Sets the logits of dropped values to -inf, in place. logits: [rows, values]. top_k first, then top_p on what is left,
// as the reference does; the likeliest value always stays. For bits (2 values) this makes a bit certain whose rarer
// value has a probability of at most 1 - top_p.
inline void mask_logits(View<float> logits, const SamplingOptions& options) {
  std::vector<std::size_t> order;
  for (std::int64_t row = 0; row < logits.size(0); ++row) {
    mask_row(logits.at(row, 0), static_cast<std::size_t>(logits.size(1)), options, order);
  }
}

}  // namespace scalekv::infinity
