#include "kernels/group_norm.h"

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

constexpr double kGroupEpsilon = 1e-6;

// Channel 0's group has a mean that is `shift` away from zero.
void check(std::int64_t height, std::int64_t width, std::int64_t channels, int groups, float shift) {
  SCOPED_TRACE(::testing::Message() << height << " x " << width << " x " << channels << ", shift " << shift);
  Tensor x = random_tensor({height, width, channels}, 1, 2.0F);
  const std::int64_t cells = height * width, per_group = channels / groups;
  const View<float> in = x.view<float>().reshape({cells, channels});
  for (std::int64_t i = 0; i < cells; ++i) {
    for (std::int64_t c = 0; c < per_group; ++c) in(i, c) += shift;
  }
  const Tensor weight = random_tensor({channels}, 2), bias = random_tensor({channels}, 3);
  GroupNormTerms first;
  for_thread_counts([&] {
    GroupNormTerms terms = group_norm_terms(x.view<float>(), groups, weight.view<float>(), bias.view<float>(), 1e-6F);
    if (first.center.empty()) first = terms;
    ASSERT_EQ(terms.center, first.center);
    ASSERT_EQ(terms.factor, first.factor);
    ASSERT_EQ(terms.offset, first.offset);
  });
  for (std::int64_t g = 0; g < groups; ++g) {
    double mean = 0.0, variance = 0.0;
    const auto count = static_cast<double>(cells * per_group);
    const auto for_members = [&](const auto& take) {
      for (std::int64_t i = 0; i < cells; ++i) {
        for (std::int64_t c = g * per_group; c < (g + 1) * per_group; ++c) take(static_cast<double>(in(i, c)));
      }
    };
    for_members([&](double value) { mean += value / count; });
    for_members([&](double value) { variance += (value - mean) * (value - mean) / count; });
    for (std::int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
      const auto channel = static_cast<std::size_t>(c);
      const double factor = static_cast<double>(weight.view<float>()(c)) / std::sqrt(variance + kGroupEpsilon);
      EXPECT_NEAR(first.center[channel], mean, 1e-6 * (1.0 + std::abs(mean)));
      EXPECT_NEAR(first.factor[channel], factor, 2e-6 * std::abs(factor)) << c;
      EXPECT_EQ(first.offset[channel], bias.view<float>()(c));
    }
  }
}

TEST(GroupNormTest, MatchesTheTwinAndThreadsChangeNothing) {
  check(5, 7, 64, 32, 30.0F);
  check(70, 50, 96, 32, 30.0F);
  check(3, 4, 6, 2, 0.0F);
  check(1, 2, 32, 32, 5.0F);
  check(33, 65, 48, 24, 1000.0F);
  Sizes size;
  for (int i = 0; i < 4; ++i) {
    const std::int64_t groups = size(1, 32);
    check(size(1, 40), size(1, 40), groups * size(1, 5), static_cast<int>(groups), 3.0F);
  }
}

// One cell of one channel a group deviates by nothing.
TEST(GroupNormTest, AConstantMapHasTheDeviationOfEpsilon) {
  Tensor x(DType::f32, {9, 9, 32}, MemoryKind::other);
  std::fill_n(x.view<float>().data(), x.elements(), 0.1F);
  Tensor weight(DType::f32, {32}, MemoryKind::other);
  std::fill_n(weight.view<float>().data(), 32, 1.0F);
  const GroupNormTerms terms = group_norm_terms(x.view<float>(), 32, weight.view<float>(), weight.view<float>(), 1e-6F);
  for (const float factor : terms.factor) EXPECT_NEAR(factor, 1000.0F, 0.1F);
  for (const float center : terms.center) EXPECT_NEAR(center, 0.1F, 1e-6);
}

}  // namespace
}  // namespace scalekv::kernels
