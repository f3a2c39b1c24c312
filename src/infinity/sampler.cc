#include "infinity/sampler.h"

#include <cmath>

#include "runtime/philox.h"
#include "runtime/threads.h"

namespace scalekv::infinity {
namespace {

// The probability of value 1 of a bit, of whose two values those that the options drop have none.
float probability_of_one(float zero, float one, const SamplingOptions& options) {
  if (options.top_k == 1 && zero != one) return one > zero ? 1.0F : 0.0F;
  const float rarer = 1.0F / (1.0F + std::exp(std::abs(one - zero)));
  const auto tail = static_cast<float>(1.0 - options.top_p);
  const bool certain = options.top_p > 0.0 && rarer <= tail;
  const float kept = certain ? 0.0F : rarer;
  return one > zero ? 1.0F - kept : kept;
}

}  // namespace

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
