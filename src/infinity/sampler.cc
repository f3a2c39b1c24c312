#include "infinity/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "runtime/philox.h"
#include "runtime/threads.h"

namespace scalekv::infinity {
namespace {

constexpr float kDropped = -std::numeric_limits<float>::infinity();

void mask_row(float* row, std::size_t values, const SamplingOptions& options, std::vector<std::size_t>& order) {
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

// The probability of value 1 of a bit after masking: mask_row for two values, in closed form.
float probability_of_one(float zero, float one, const SamplingOptions& options) {
  if (options.top_k == 1 && zero != one) return one > zero ? 1.0F : 0.0F;
  const float rarer = 1.0F / (1.0F + std::exp(std::abs(one - zero)));
  const auto tail = static_cast<float>(1.0 - options.top_p);
  const bool certain = options.top_p > 0.0 && rarer <= tail;
  const float kept = certain ? 0.0F : rarer;
  return one > zero ? 1.0F - kept : kept;
}

}  // namespace

void mask_logits(View<float> logits, const SamplingOptions& options) {
  std::vector<std::size_t> order;
  for (std::int64_t row = 0; row < logits.size(0); ++row) {
    mask_row(logits.at(row, 0), static_cast<std::size_t>(logits.size(1)), options, order);
  }
}

void sample_bits(View<const float> logits, const SamplingOptions& options, std::uint64_t seed, std::uint32_t image,
                 std::uint32_t scale, View<std::uint8_t> bits) {
  parallel_for_static(bits.size(0), [&](std::int64_t position) {
    for (std::int64_t bit = 0; bit < bits.size(1); ++bit) {
      const float one = probability_of_one(logits(position, 2 * bit), logits(position, 2 * bit + 1), options);
      const RandomSite site{image, scale, static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(bit)};
      bits(position, bit) = uniform(seed, site) < one ? 1 : 0;
    }
  });
}

}  // namespace scalekv::infinity
