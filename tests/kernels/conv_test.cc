#include "kernels/conv.h"

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

struct ConvCase {
  std::int64_t height, width, inputs, outputs, kernel;
  ConvGeometry geometry;
};
constexpr ConvGeometry kUnpadded{.pad_top = 0, .pad_left = 0, .pad_bottom = 0, .pad_right = 0};
const ConvCase kConvCases[] = {
    {1, 1, 32, 16, 3, {}},
    {7, 9, 3, 20, 3, {}},
    {8, 6, 64, 64, 3, {}},
    {5, 11, 17, 3, 3, {}},
    {16, 48, 16, 32, 3, {}},
    {19, 53, 16, 33, 3, {}},
    {4, 4, 300, 8, 3, {}},
    {9, 8, 5, 7, 3, kUnpadded},
    {6, 5, 24, 40, 1, kUnpadded},
    {3, 60, 24, 9, 1, kUnpadded},
    {8, 10, 32, 32, 3, {.stride = 2, .pad_top = 0, .pad_left = 0, .pad_bottom = 1, .pad_right = 1}},
    {6, 110, 18, 20, 3, {.stride = 2, .pad_top = 0, .pad_left = 0, .pad_bottom = 1, .pad_right = 1}},
    {70, 67, 16, 32, 3, {}},
};

GroupNormTerms random_terms(std::int64_t channels) {
  const Tensor values = random_tensor({3, channels}, 5);
  const auto row = [&](std::int64_t r) {
    const float* first = values.view<float>().at(r, 0);
    return std::vector<float>(first, first + channels);
  };
  return {row(0), row(1), row(2)};
}

// What the convolution sees at a cell of the input, in double precision: doubled, then normalised and swished, zero
// outside.
double seen(const ConvInput& x, std::int64_t row, std::int64_t column, std::int64_t channel) {
  const std::int64_t factor = x.doubled ? 2 : 1;
  if (row < 0 || row >= factor * x.map.size(0) || column < 0 || column >= factor * x.map.size(1)) return 0.0;
  const auto value = static_cast<double>(x.map(row / factor, column / factor, channel));
  if (x.norm_swish == nullptr) return value;
  const auto c = static_cast<std::size_t>(channel);
  return silu_twin((value - static_cast<double>(x.norm_swish->center[c])) *
                       static_cast<double>(x.norm_swish->factor[c]) +
                   static_cast<double>(x.norm_swish->offset[c]));
}

double convolution_twin(const ConvInput& x, const Tensor& weight, const ConvGeometry& geometry, std::int64_t row,
                        std::int64_t column, std::int64_t output) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < weight.shape()[2]; ++i) {
    for (std::int64_t j = 0; j < weight.shape()[3]; ++j) {
      for (std::int64_t k = 0; k < weight.shape()[1]; ++k) {
        sum +=
            seen(x, row * geometry.stride + i - geometry.pad_top, column * geometry.stride + j - geometry.pad_left, k) *
            static_cast<double>(weight.view<float>()(output, k, i, j));
      }
    }
  }
  return sum;
}

void check_convolution(const ConvCase& tried, bool normalised, bool doubled, bool accumulate) {
  const auto& [height, width, inputs, outputs, kernel, geometry] = tried;
  SCOPED_TRACE(::testing::Message() << height << " x " << width << " of " << inputs << " -> " << outputs << ", norm "
                                    << normalised << ", doubled " << doubled << ", accumulate " << accumulate);
  const Tensor map = random_tensor({height, width, inputs}, 1);
  const float deviation = 1.0F / std::sqrt(static_cast<float>(inputs * kernel * kernel));
  const Tensor weight = random_tensor({outputs, inputs, kernel, kernel}, 2, deviation);
  const Tensor bias = random_tensor({outputs}, 3);
  const GroupNormTerms terms = random_terms(inputs);
  const ConvInput x{.map = map.view<float>(), .norm_swish = normalised ? &terms : nullptr, .doubled = doubled};
  const Conv2d layer(weight, bias, geometry, MemoryKind::vae);
  const std::int64_t factor = doubled ? 2 : 1;
  const Shape shape{layer.output_height(factor * height), layer.output_width(factor * width), outputs};
  const Tensor before = random_tensor(shape, 4);
  Tensor first;
  for_thread_counts([&] {
    Tensor y = before.clone(MemoryKind::other);
    GrowBuffer scratch(MemoryKind::other);
    layer.run(x, y.view<float>(), scratch, accumulate);
    EXPECT_EQ(scratch.size(), Conv2d::scratch_bytes(tried.inputs, tried.outputs, tried.kernel, tried.geometry.stride));
    if (first.empty()) first = y.clone(MemoryKind::other);
    ASSERT_EQ(std::memcmp(y.raw(), first.raw(), static_cast<std::size_t>(y.bytes())), 0);
  });
  for (std::int64_t r = 0; r < shape[0]; ++r) {
    for (std::int64_t c = 0; c < shape[1]; ++c) {
      for (std::int64_t o = 0; o < outputs; ++o) {
        const double expected = convolution_twin(x, weight, geometry, r, c, o) +
                                static_cast<double>(bias.view<float>()(o)) +
                                (accumulate ? static_cast<double>(before.view<float>()(r, c, o)) : 0.0);
        ASSERT_NEAR(first.view<float>()(r, c, o), expected, 5e-5) << r << ", " << c << ", " << o;
      }
    }
  }
}

TEST(ConvTest, MatchesTheTwinAndThreadsChangeNothing) {
  const auto drawn = [](Sizes& size) {
    const std::int64_t kernel = 2 * size(0, 2) + 1, padding = kernel / 2;
    const ConvGeometry geometry{.stride = size(1, 2),
                                .pad_top = size(0, padding),
                                .pad_left = size(0, padding),
                                .pad_bottom = size(0, padding),
                                .pad_right = size(0, padding)};
    return ConvCase{size(5, 30), size(5, 60), size(1, 40), size(1, 40), kernel, geometry};
  };
  for (const ConvCase& tried : with_drawn(kConvCases, 8, drawn)) {
    for (const bool accumulate : {false, true}) check_convolution(tried, false, false, accumulate);
  }
}

TEST(ConvTest, NormalisesAndDoublesAsItReads) {
  for (const ConvCase& tried : {kConvCases[1], kConvCases[3], kConvCases[8], kConvCases[10]}) {
    for (const bool doubled : {false, true}) {
      check_convolution(tried, true, doubled, false);
      check_convolution(tried, !doubled, doubled, true);
    }
  }
}

TEST(ConvTest, EveryInstructionSetMatchesTheTwin) {
  for_instruction_sets([] {
    check_convolution(kConvCases[3], true, false, true);
    check_convolution(kConvCases[8], false, true, false);
  });
}

// A pixel does not depend on the part of the map that is computed with it, where parts begin at multiples of 4.
TEST(ConvTest, PartsOfAMapAreTheMap) {
  const Tensor x = random_tensor({36, 20, 24}, 1);
  const Conv2d layer(random_tensor({40, 24, 3, 3}, 2, 0.1F), Tensor(), {}, MemoryKind::vae);
  const Conv2d inner(random_tensor({40, 24, 3, 3}, 2, 0.1F), Tensor(), {.pad_top = 0, .pad_bottom = 0},
                     MemoryKind::vae);
  Tensor whole(DType::f32, {36, 20, 40}, MemoryKind::other), part(DType::f32, {12, 20, 40}, MemoryKind::other);
  GrowBuffer scratch(MemoryKind::other);
  layer.run({x.view<float>()}, whole.view<float>(), scratch);
  inner.run({x.view<float>().slice(0, 7, 21)}, part.view<float>(), scratch);  // outputs 8..19
  EXPECT_EQ(std::memcmp(part.raw(), whole.view<float>().at(8, 0, 0), static_cast<std::size_t>(part.bytes())), 0);
}

TEST(ConvTest, WeightBytesAreThoseOfTheLedger) {
  for (const auto& [inputs, outputs, kernel] : {std::tuple{32, 16, 3}, {3, 20, 3}, {33, 65, 1}}) {
    const std::int64_t before = ledger().current(MemoryKind::vae);
    const Conv2d layer(random_tensor({outputs, inputs, kernel, kernel}, 1), random_tensor({outputs}, 2), {},
                       MemoryKind::vae);
    EXPECT_EQ(ledger().current(MemoryKind::vae) - before, Conv2d::weight_bytes(inputs, outputs, kernel));
  }
}

TEST(ConvTest, RefusesMapsThatDoNotFit) {
  const Conv2d layer(random_tensor({4, 6, 3, 3}, 1), Tensor(), {}, MemoryKind::vae);
  Tensor y(DType::f32, {5, 5, 4}, MemoryKind::other);
  GrowBuffer scratch(MemoryKind::other);
  EXPECT_THROW(layer.run({random_tensor({5, 5, 5}, 1).view<float>()}, y.view<float>(), scratch), Error);
  EXPECT_THROW(layer.run({random_tensor({5, 6, 6}, 1).view<float>()}, y.view<float>(), scratch), Error);
  EXPECT_THROW(Conv2d(random_tensor({4, 6, 3, 1}, 1), Tensor(), {}, MemoryKind::vae), Error);
}

}  // namespace
}  // namespace scalekv::kernels
