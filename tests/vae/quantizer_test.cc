#include "vae/quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace scalekv::vae {
namespace {

Tensor random_map(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Tensor map(DType::f32, {height, width, channels}, MemoryKind::other);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < map.elements(); ++i) map.view<float>().data()[i] = normal(random);
  return map;
}

std::vector<float> floats(const Tensor& tensor) {
  const float* begin = tensor.view<float>().data();
  return {begin, begin + tensor.elements()};
}

std::vector<int> bits_of(const Tensor& tensor) {
  const std::uint8_t* begin = tensor.view<std::uint8_t>().data();
  return {begin, begin + tensor.elements()};
}

TEST(Quantizer, BitsBecomeUnitVectors) {
  Tensor bits(DType::u8, {1, 1, 4}, MemoryKind::other);
  Tensor codes(DType::f32, {1, 1, 4}, MemoryKind::other);
  std::copy_n(std::array<std::uint8_t, 4>{1, 0, 0, 1}.begin(), 4, bits.view<std::uint8_t>().data());
  bits_to_codes(bits.view<std::uint8_t>(), codes.view<float>());
  EXPECT_EQ(floats(codes), (std::vector<float>{0.5F, -0.5F, -0.5F, 0.5F}));
}

TEST(Quantizer, CodesAreAddedAsTheyAreOrSpread) {
  Tensor sum = Tensor::zeros<float>({2, 2, 1}, MemoryKind::other);
  Tensor one = Tensor::zeros<float>({1, 1, 1}, MemoryKind::other);
  one.view<float>()(0, 0, 0) = 2.0F;
  accumulate_codes(one.view<float>(), sum.view<float>());
  EXPECT_EQ(floats(sum), (std::vector<float>{2.0F, 2.0F, 2.0F, 2.0F}));
  Tensor same = Tensor::zeros<float>({2, 2, 1}, MemoryKind::other);
  same.view<float>()(0, 1, 0) = -3.0F;
  accumulate_codes(same.view<float>(), sum.view<float>());
  EXPECT_EQ(floats(sum), (std::vector<float>{2.0F, -1.0F, 2.0F, 2.0F}));
}

// Worked by hand: the mean of 3, 1, 1, -1 is 1, its code 1; what is left, 2, 0, 0, -2, gives the bits 1, 0, 0, 0.
TEST(Quantizer, TwoScalesByHand) {
  Tensor features(DType::f32, {2, 2, 1}, MemoryKind::other);
  std::copy_n(std::array<float, 4>{3.0F, 1.0F, 1.0F, -1.0F}.begin(), 4, features.view<float>().data());
  const std::vector<MapSize> scales = {{1, 1}, {2, 2}};
  const Quantized result = quantize(features.view<float>(), scales, true);
  ASSERT_EQ(result.bits.size(), 2U);
  EXPECT_EQ(bits_of(result.bits[0]), (std::vector<int>{1}));
  EXPECT_EQ(bits_of(result.bits[1]), (std::vector<int>{1, 0, 0, 0}));
  EXPECT_EQ(floats(result.residuals[1]), (std::vector<float>{2.0F, 0.0F, 0.0F, -2.0F}));
  EXPECT_EQ(floats(result.sum), (std::vector<float>{2.0F, 0.0F, 0.0F, 0.0F}));
  EXPECT_TRUE(quantize(features.view<float>(), scales).residuals.empty());
}

TEST(Quantizer, BitsGiveTheSumBack) {
  const Tensor features = random_map(7, 5, 14);
  const std::vector<MapSize> scales = {{1, 1}, {3, 2}, {5, 4}, {7, 5}};
  const Quantized result = quantize(features.view<float>(), scales);
  Tensor sum = Tensor::zeros<float>(features.shape(), MemoryKind::other);
  for (const Tensor& bits : result.bits) {
    Tensor codes(DType::f32, bits.shape(), MemoryKind::other);
    bits_to_codes(bits.view<std::uint8_t>(), codes.view<float>());
    accumulate_codes(codes.view<float>(), sum.view<float>());
  }
  const std::vector<float> expected = floats(result.sum);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(floats(sum)[i], expected[i], 1e-6F);
}

TEST(Quantizer, CodesQuantiseToTheirOwnBits) {
  const Tensor features = random_map(4, 6, 32);
  const std::vector<MapSize> scales = {{4, 6}};
  const Quantized first = quantize(features.view<float>(), scales);
  const Quantized second = quantize(first.sum.view<float>(), scales);
  EXPECT_EQ(bits_of(first.bits[0]), bits_of(second.bits[0]));
  EXPECT_EQ(floats(first.sum), floats(second.sum));
}

TEST(Quantizer, TheLastScaleMustBeTheMap) {
  const Tensor features = random_map(4, 6, 8);
  const std::vector<MapSize> turned = {{1, 1}, {6, 4}};
  EXPECT_THROW(static_cast<void>(quantize(features.view<float>(), turned)), Error);
  EXPECT_THROW(static_cast<void>(quantize(features.view<float>(), {})), Error);
}

}  // namespace
}  // namespace scalekv::vae
