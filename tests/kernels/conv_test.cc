#include "kernels/conv.h"

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

struct Case {
  std::int64_t height, width, inputs, outputs, kernel;
  ConvGeometry geometry;
};
const Case kCases[] = {
    {1, 1, 32, 16, 3, {}},
    {7, 9, 3, 20, 3, {}},
    {8, 6, 64, 64, 3, {}},
    {5, 11, 16, 3, 3, {}},
    {6, 5, 24, 40, 1, {.pad_top = 0, .pad_left = 0, .pad_bottom = 0, .pad_right = 0}},
    {8, 10, 32, 32, 3, {.stride = 2, .pad_top = 0, .pad_left = 0, .pad_bottom = 1, .pad_right = 1}},
    {67, 70, 16, 32, 3, {}},
};

TEST(ConvTest, MatchesTheTwinAndThreadsChangeNothing) {
  for (const auto& [height, width, inputs, outputs, kernel, geometry] : kCases) {
    SCOPED_TRACE(testing::Message() << height << " x " << width << " of " << inputs << " -> " << outputs);
    const Tensor x = random_tensor({height, width, inputs}, 1);
    const float deviation = 1.0F / std::sqrt(static_cast<float>(inputs * kernel * kernel));
    const Tensor weight = random_tensor({outputs, inputs, kernel, kernel}, 2, deviation);
    const Tensor bias = random_tensor({outputs}, 3);
    const Conv2d layer(weight, bias, geometry, MemoryKind::vae);
    const Shape shape{layer.output_height(height), layer.output_width(width), outputs};
    const Tensor before = random_tensor(shape, 4);
    const View<const float> in = x.view<float>();
    for (const bool accumulate : {false, true}) {
      Tensor first;
      for_thread_counts([&] {
        Tensor y = before.clone(MemoryKind::other);
        layer.run(in, y.view<float>(), accumulate);
        if (first.empty()) first = y.clone(MemoryKind::other);
        ASSERT_EQ(std::memcmp(y.raw(), first.raw(), static_cast<std::size_t>(y.bytes())), 0);
      });
      for (std::int64_t r = 0; r < shape[0]; ++r) {
        for (std::int64_t c = 0; c < shape[1]; ++c) {
          for (std::int64_t o = 0; o < outputs; ++o) {
            double sum = static_cast<double>(bias.view<float>()(o));
            for (std::int64_t i = 0; i < kernel; ++i) {
              for (std::int64_t j = 0; j < kernel; ++j) {
                const std::int64_t row = r * geometry.stride + i - geometry.pad_top;
                const std::int64_t column = c * geometry.stride + j - geometry.pad_left;
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                for (std::int64_t k = 0; k < inputs; ++k) {
                  sum +=
                      static_cast<double>(in(row, column, k)) * static_cast<double>(weight.view<float>()(o, k, i, j));
                }
              }
            }
            if (accumulate) sum += static_cast<double>(before.view<float>()(r, c, o));
            ASSERT_NEAR(first.view<float>()(r, c, o), sum, 1e-4) << r << ", " << c << ", " << o;
          }
        }
      }
    }
  }
}

TEST(ConvTest, RefusesMapsThatDoNotFit) {
  const Conv2d layer(random_tensor({4, 6, 3, 3}, 1), Tensor(), {}, MemoryKind::vae);
  Tensor y(DType::f32, {5, 5, 4}, MemoryKind::other);
  EXPECT_THROW(layer.run(random_tensor({5, 5, 5}, 1).view<float>(), y.view<float>()), Error);
  EXPECT_THROW(layer.run(random_tensor({5, 6, 6}, 1).view<float>(), y.view<float>()), Error);
}

}  // namespace
}  // namespace scalekv::kernels
