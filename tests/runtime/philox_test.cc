#include "runtime/philox.h"

#include <gtest/gtest.h>

#include <set>

namespace scalekv {
namespace {

// Known answers of the authors' Random123 library (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The first of the known answers above, 0x6627e8d5: its upper 24 bits are the fraction.
TEST(Philox, UniformIsTheUpperBitsOfTheFirstWord) {
  EXPECT_EQ(uniform(0, {0, 0, 0, 0}), static_cast<float>(0x6627e8) / 16777216.0F);
}

TEST(Philox, UniformIsInRangeAndEven) {
  double sum = 0.0;
  constexpr int kCount = 20000;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const float value = uniform(7, {0, 3, i, 1});
    ASSERT_GE(value, 0.0F);
    ASSERT_LT(value, 1.0F);
    sum += value;
  }
  EXPECT_NEAR(sum / kCount, 0.5, 0.01);
}

TEST(Philox, EveryWordOfTheSiteAndTheSeedCounts) {
  const std::set<float> values = {uniform(1, {1, 1, 1, 1}),
                                  uniform(1, {2, 1, 1, 1}),
                                  uniform(1, {1, 2, 1, 1}),
                                  uniform(1, {1, 1, 2, 1}),
                                  uniform(1, {1, 1, 1, 2}),
                                  uniform(2, {1, 1, 1, 1}),
                                  uniform(1 + (std::uint64_t{1} << 40), {1, 1, 1, 1})};
  EXPECT_EQ(values.size(), 7U);
}

TEST(Philox, NormalHasUnitVariance) {
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kCount = 20000;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const double value = normal(3, {i, 0, 0, 0});
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kCount, 0.0, 0.03);
  EXPECT_NEAR(squares / kCount, 1.0, 0.04);
}

}  // namespace
}  // namespace scalekv
