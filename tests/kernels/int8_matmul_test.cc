#include "kernels/int8_matmul.h"

#include "kernels/linear.h"
#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

// The same integers, each run of them added up in 64 bits.
double int8_twin(View<const float> x, const Int8Weight& weight, std::int64_t m, std::int64_t n) {
  const auto limit = static_cast<float>(largest_input_code());
  double value = 0.0;
  for (std::int64_t begin = 0; begin < x.size(1); begin += kInt8Run) {
    const std::int64_t end = std::min(x.size(1), begin + kInt8Run);
    float top = 0.0F;
    for (std::int64_t k = begin; k < end; ++k) top = std::max(top, std::abs(x(m, k)));
    if (top == 0.0F) continue;
    std::int64_t sum = 0;
    for (std::int64_t k = begin; k < end; ++k) {
      const auto code = static_cast<std::int64_t>(std::nearbyint(x(m, k) * (limit / top)));
      sum += code * weight.codes.view<std::int8_t>()(n, k);
    }
    EXPECT_LE(std::abs(sum), std::numeric_limits<std::int32_t>::max());
    value += static_cast<double>(sum) * static_cast<double>(top / limit);
  }
  return value * static_cast<double>(weight.scales.view<float>()(n));
}

struct Int8Case {
  std::int64_t rows, inputs, outputs;
};
constexpr Int8Case kInt8Cases[] = {{1, 1, 1}, {3, 17, 33}, {9, 64, 128}, {101, 100, 37}, {5, 1100, 2}, {13, 2500, 50}};

TEST(Int8MatmulTest, MatchesTheTwinOnEveryInstructionSet) {
  const auto drawn = [](Sizes& size) { return Int8Case{size(1, 200), size(1, 900), size(1, 100)}; };
  for (const Int8Case& tried : with_drawn(kInt8Cases, 6, drawn)) {
    const std::int64_t rows = tried.rows, inputs = tried.inputs, outputs = tried.outputs;
    SCOPED_TRACE(::testing::Message() << rows << " x " << inputs << " x " << outputs);
    Ragged x(rows, inputs, 3, 1);
    const Int8Weight weight = quantise_weight(random_tensor({outputs, inputs}, 2), 1, MemoryKind::other);
    for_instruction_sets([&] {
      Ragged y(rows, outputs, 5, 4);
      int8_matmul(x.view(), weight, {}, y.view());
      for (std::int64_t m = 0; m < rows; ++m) {
        for (std::int64_t n = 0; n < outputs; ++n) {
          const double expected = int8_twin(x.view(), weight, m, n);
          const double near = inputs <= kInt8Run ? 1e-6 * std::abs(expected) + 1e-20 : 3e-5;
          ASSERT_NEAR(y.view()(m, n), expected, near) << m << ", " << n;
        }
      }
      EXPECT_TRUE(y.gaps_untouched());
    });
  }
}

TEST(Int8MatmulTest, TheLargestCodesDoNotOverflow) {
  for (const std::int64_t inputs : {1, 2048, 8192, 14336}) {
    Tensor x(DType::f32, {2, inputs}, MemoryKind::other), w(DType::f32, {2, inputs}, MemoryKind::other);
    for (std::int64_t k = 0; k < inputs; ++k) {
      x.view<float>()(0, k) = 3.0F;
      x.view<float>()(1, k) = -3.0F;
      w.view<float>()(0, k) = 0.5F;
      w.view<float>()(1, k) = -0.5F;
    }
    const Int8Weight weight = quantise_weight(w, 1, MemoryKind::other);
    for_instruction_sets([&] {
      Tensor y(DType::f32, {2, 2}, MemoryKind::other);
      int8_matmul(x.view<float>(), weight, {}, y.view<float>());
      const auto exact = 1.5F * static_cast<float>(inputs);
      EXPECT_NEAR(y.view<float>()(0, 0), exact, 1e-6F * exact);
      EXPECT_NEAR(y.view<float>()(0, 1), -exact, 1e-6F * exact);
      EXPECT_NEAR(y.view<float>()(1, 0), -exact, 1e-6F * exact);
    });
  }
}

// A row that holds no numbers spoils itself only; rows of zeros and of numbers without an inverse are zeros.
TEST(Int8MatmulTest, RowsThatAreNoNumbersAreDefined) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const Int8Weight weight = quantise_weight(random_tensor({5, 37}, 2), 1, MemoryKind::other);
  for_instruction_sets([&] {
    for (const std::int64_t place : {0, 17, 36}) {
      Tensor x = random_tensor({5, 37}, 1);
      x.view<float>()(0, place) = kNaN;
      x.view<float>()(1, place) = -kInfinity;
      for (std::int64_t k = 0; k < 37; ++k) {
        x.view<float>()(3, k) = 0.0F;
        x.view<float>()(4, k) = 1e-42F;
      }
      Tensor y(DType::f32, {5, 5}, MemoryKind::other);
      int8_matmul(x.view<float>(), weight, {}, y.view<float>());
      for (std::int64_t n = 0; n < 5; ++n) {
        EXPECT_TRUE(std::isnan(y.view<float>()(0, n)) && std::isnan(y.view<float>()(1, n)));
        EXPECT_TRUE(std::isfinite(y.view<float>()(2, n)));
        EXPECT_EQ(y.view<float>()(3, n), 0.0F);
        EXPECT_EQ(y.view<float>()(4, n), 0.0F);
      }
    }
  });
}

TEST(Int8MatmulTest, RotationsAreTheLongestPowerOfTwo) {
  EXPECT_EQ(longest_rotation(8192), 2048);  // Infinity-2B
  EXPECT_EQ(longest_rotation(14336), 512);  // Infinity-8B
  EXPECT_EQ(longest_rotation(768), 64);     // the embedded model
  EXPECT_EQ(longest_rotation(12), 1);
  EXPECT_EQ(longest_rotation(7), 1);
}

// |y - exact| / |exact| over the whole product.
double relative_error(View<const float> x, View<const float> w, const Int8Weight& weight) {
  Tensor y(DType::f32, {x.size(0), w.size(0)}, MemoryKind::other);
  int8_matmul(x, weight, {}, y.view<float>());
  const Rows exact = linear_twin(x, w, {});
  double wrong = 0.0, all = 0.0;
  for (std::int64_t m = 0; m < x.size(0); ++m) {
    for (std::int64_t n = 0; n < w.size(0); ++n) {
      const double value = exact[static_cast<std::size_t>(m)][static_cast<std::size_t>(n)];
      wrong += std::pow(static_cast<double>(y.view<float>()(m, n)) - value, 2);
      all += value * value;
    }
  }
  return std::sqrt(wrong / all);
}

TEST(Int8MatmulTest, RotationKeepsTheProductAndSpreadsOutliers) {
  const Tensor w = random_tensor({24, 2048}, 2);
  Tensor x = random_tensor({6, 2048}, 1);
  const Int8Weight plain = quantise_weight(w, 1, MemoryKind::other);
  const Int8Weight rotated = quantise_weight(w, longest_rotation(2048), MemoryKind::other);
  for_instruction_sets([&] {
    EXPECT_LT(relative_error(x.view<float>(), w.view<float>(), plain), 0.015);
    EXPECT_LT(relative_error(x.view<float>(), w.view<float>(), rotated), 0.015);
  });
  // 353 times the median of |x| in one column, as was measured on the released weights.
  for (std::int64_t m = 0; m < 6; ++m) x.view<float>()(m, 777) = 353.0F * 0.6745F;
  for_instruction_sets([&] { EXPECT_LT(relative_error(x.view<float>(), w.view<float>(), rotated), 0.02); });
}

// What follows a GELU has a mean, which must not become an outlier of its own.
TEST(Int8WeightTest, RotationSpreadsTheMeanEvenly) {
  Tensor w(DType::f32, {1, 256}, MemoryKind::other);
  std::fill_n(w.view<float>().data(), 256, 0.28F);
  for_instruction_sets([&] {
    const Int8Weight rotated = quantise_weight(w, longest_rotation(256), MemoryKind::other);
    for (std::int64_t k = 0; k < 256; ++k) EXPECT_EQ(std::abs(rotated.codes.view<const std::int8_t>()(0, k)), 127) << k;
  });
}

// A step is exactly 1 here: halves go to the even code.
TEST(Int8WeightTest, HalvesGoToEven) {
  std::vector<float> row = {-127.0F, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 0.75F, -2.75F};
  std::vector<std::int8_t> codes(row.size());
  EXPECT_EQ(quantise_weight_row(View<float>(row.data(), {8}), 1, codes.data()), 1.0F);
  EXPECT_EQ(codes, (std::vector<std::int8_t>{-127, 0, 2, 2, 0, -2, 1, -3}));
}

TEST(Int8WeightTest, RoundsEachRowUnderItsOwnScale) {
  Tensor w(DType::f32, {3, 4}, MemoryKind::other);
  const std::vector<float> values = {1.0F, -2.0F, 0.5F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 127.0F, 1.49F, -1.51F, -127.0F};
  std::copy(values.begin(), values.end(), w.view<float>().data());
  const Int8Weight weight = quantise_weight(w, 1, MemoryKind::other);
  EXPECT_EQ(weight.scales.view<float>()(0), 2.0F / 127.0F);
  EXPECT_EQ(weight.scales.view<float>()(1), 0.0F);
  const std::vector<int> expected = {64, -127, 32, 0, 0, 0, 0, 0, 127, 1, -2, -127};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(weight.codes.view<std::int8_t>().data()[i], expected[i]) << i;
  }
}

}  // namespace
}  // namespace scalekv::kernels
