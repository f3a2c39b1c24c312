#include "infinity/sampler.h"

#include <gtest/gtest.h>

#include <cmath>

namespace scalekv::infinity {
namespace {

TEST(Sampler, FrequenciesFollowTheLogits) {
  constexpr std::int64_t kTokens = 20000;
  Tensor logits(DType::f32, {kTokens, 4}, MemoryKind::other);  // two bits: p(1) = 0.5 and sigmoid(1)
  for (std::int64_t i = 0; i < kTokens; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) logits.view<float>()(i, j) = j == 3 ? 1.0F : 0.0F;
  }
  Tensor bits(DType::u8, {kTokens, 2}, MemoryKind::other);
  sample_bits(logits.view<float>(), {}, 5, 0, 0, bits.view<std::uint8_t>());
  double ones[2] = {};
  for (std::int64_t i = 0; i < kTokens; ++i) {
    for (std::int64_t b = 0; b < 2; ++b) ones[b] += bits.view<std::uint8_t>()(i, b);
  }
  EXPECT_NEAR(ones[0] / kTokens, 0.5, 0.012);
  EXPECT_NEAR(ones[1] / kTokens, 1.0 / (1.0 + std::exp(-1.0)), 0.012);
}

// What sample_bits makes certain is what mask_logits leaves alone.
TEST(Sampler, TopPAndTopKAgreeWithTheMask) {
  for (const SamplingOptions options :
       {SamplingOptions{}, SamplingOptions{1, 0.0}, SamplingOptions{0, 0.0}, SamplingOptions{0, 0.8}}) {
    for (const float gap : {-5.0F, -3.48F, -3.47F, -1.0F, 0.0F, 1.3F, 3.47F, 3.48F, 9.0F}) {
      Tensor logits(DType::f32, {400, 2}, MemoryKind::other);
      for (std::int64_t i = 0; i < 400; ++i) logits.view<float>()(i, 0) = 0.0F, logits.view<float>()(i, 1) = gap;
      Tensor bits(DType::u8, {400, 1}, MemoryKind::other);
      sample_bits(logits.view<float>(), options, 1, 0, 0, bits.view<std::uint8_t>());
      mask_logits(logits.view<float>(), options);
      const bool zero_possible = std::isfinite(logits.view<float>()(0, 0));
      const bool one_possible = std::isfinite(logits.view<float>()(0, 1));
      for (std::int64_t i = 0; i < 400; ++i) {
        EXPECT_TRUE(bits.view<std::uint8_t>()(i, 0) == 1 ? one_possible : zero_possible) << gap;
      }
    }
  }
}

}  // namespace
}  // namespace scalekv::infinity
