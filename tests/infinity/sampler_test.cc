#include "infinity/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <tuple>

#include "runtime/philox.h"
#include "support/masked_logits.h"

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

// A coin for every bit: where it falls depends on seed, image, scale, token and bit, and on nothing else.
TEST(Sampler, EveryBitHasARandomNumberOfItsOwn) {
  Tensor logits = Tensor::zeros<float>({50, 2 * 8}, MemoryKind::other);
  Tensor bits(DType::u8, {50, 8}, MemoryKind::other);
  for (const auto& [seed, image, scale] : {std::tuple{std::uint64_t{5}, 0U, 0U}, {5, 3, 0}, {5, 0, 6}, {9, 3, 6}}) {
    sample_bits(logits.view<float>(), {}, seed, image, scale, bits.view<std::uint8_t>());
    for (std::uint32_t token = 0; token < 50; ++token) {
      for (std::uint32_t bit = 0; bit < 8; ++bit) {
        const bool one = uniform(seed, {image, scale, token, bit}) < 0.5F;
        ASSERT_EQ(bits.view<std::uint8_t>()(token, bit), one ? 1 : 0) << token << " " << bit;
      }
    }
  }
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

// A value whose probability is exactly 1 - top_p is dropped; where top_p is a little larger, it is not.
TEST(Sampler, TopPDropsAtItsBoundary) {
  for (const float gap : {0.5F, 1.3F, 2.0F, 3.0F}) {
    const auto ones_and_zeros = [&](double top_p) {
      Tensor logits = Tensor::zeros<float>({1000, 2}, MemoryKind::other);
      for (std::int64_t i = 0; i < 1000; ++i) logits.view<float>()(i, 1) = gap;
      Tensor bits(DType::u8, {1000, 1}, MemoryKind::other);
      sample_bits(logits.view<float>(), {.top_p = top_p}, 1, 0, 0, bits.view<std::uint8_t>());
      const std::uint8_t* drawn = bits.view<std::uint8_t>().data();
      return std::set<int>(drawn, drawn + 1000).size() == 2;
    };
    const double rarer = 1.0F / (1.0F + std::exp(gap));
    EXPECT_FALSE(ones_and_zeros(1.0 - rarer)) << gap;
    EXPECT_TRUE(ones_and_zeros(1.0 - rarer * (1.0 - 1e-6))) << gap;

    const auto masked = [&](double top_p) {
      Tensor logits = Tensor::zeros<float>({1, 2}, MemoryKind::other);
      logits.view<float>()(0, 1) = gap;
      mask_logits(logits.view<float>(), {.top_p = top_p});
      return std::isinf(logits.view<float>()(0, 0));
    };
    const double rarer_of_two = std::exp(-gap) / (std::exp(-gap) + 1.0F);  // rounded as the mask rounds it
    EXPECT_TRUE(masked(1.0 - rarer_of_two)) << gap;
    EXPECT_FALSE(masked(1.0 - rarer_of_two * (1.0 - 1e-6))) << gap;
  }
}

}  // namespace
}  // namespace scalekv::infinity
