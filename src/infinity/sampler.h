// From logits to bits.
#pragma once

#include <cstdint>

#include "runtime/tensor.h"

namespace scalekv::infinity {

struct SamplingOptions {
  int top_k = 0;        // keep the k likeliest values; 0: all
  double top_p = 0.97;  // drop the least likely values whose probabilities add up to at most 1 - top_p; 0: none
};

// logits: [L, 2 x bits] (index 2 x bit + value) -> bits: [L, bits] of 0 / 1. The random number of a bit is
// uniform(seed, {image, scale, position, bit}): it is 1 where that number is below the probability of 1. top_k comes
// first, then top_p on what is left, as in the reference; the likeliest value always stays. So a bit is certain whose
// rarer value has a probability of at most 1 - top_p.
void sample_bits(View<const float> logits, const SamplingOptions& options, std::uint64_t seed, std::uint32_t image,
                 std::uint32_t scale, View<std::uint8_t> bits);

}  // namespace scalekv::infinity
