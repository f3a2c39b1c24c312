#include "kernels/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

#include "runtime/philox.h"

namespace scalekv::kernels {
namespace {

// Every output cell from its definition.
float pooled(View<const float> x, std::int64_t stride, std::int64_t padding, bool mean, std::int64_t r, std::int64_t c,
             std::int64_t k) {
  float largest = -std::numeric_limits<float>::infinity(), sum = 0.0F;
  int cells = 0;
  for (std::int64_t i = r * stride - padding; i < r * stride - padding + 3; ++i) {
    for (std::int64_t j = c * stride - padding; j < c * stride - padding + 3; ++j) {
      if (i < 0 || j < 0 || i >= x.size(0) || j >= x.size(1)) continue;
      largest = std::max(largest, x(i, j, k));
      sum += x(i, j, k);
      ++cells;
    }
  }
  return mean ? sum / static_cast<float>(cells) : largest;
}

TEST(Pool, EqualsItsDefinition) {
  for (const auto& [height, width, channels] : {std::array<std::int64_t, 3>{3, 3, 1}, {7, 10, 5}, {8, 5, 33}}) {
    Tensor x(DType::f32, {height, width, channels}, MemoryKind::other);
    for (std::int64_t i = 0; i < x.elements(); ++i)
      x.view<float>().data()[i] = normal(5, {static_cast<std::uint32_t>(i), 0, 0, 0});
    const View<const float> in = std::as_const(x).view<float>();
    for (const auto& [stride, padding, mean] :
         {std::tuple<std::int64_t, std::int64_t, bool>{2, 0, false}, {1, 1, false}, {1, 1, true}}) {
      Tensor y(DType::f32, {(height + 2 * padding - 3) / stride + 1, (width + 2 * padding - 3) / stride + 1, channels},
               MemoryKind::other);
      const View<float> out = y.view<float>();
      mean ? mean_pool_3x3(in, out) : max_pool_3x3(in, stride, padding, out);
      for (std::int64_t r = 0; r < out.size(0); ++r) {
        for (std::int64_t c = 0; c < out.size(1); ++c) {
          for (std::int64_t k = 0; k < channels; ++k)
            EXPECT_EQ(out(r, c, k), pooled(in, stride, padding, mean, r, c, k));
        }
      }
    }
  }
}

}  // namespace
}  // namespace scalekv::kernels
