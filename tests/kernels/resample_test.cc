#include "kernels/resample.h"

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

struct Resize {
  std::int64_t height, width, out_height, out_width;
};
constexpr Resize kResizes[] = {{1, 1, 4, 4}, {2, 3, 6, 5}, {7, 5, 3, 2}, {6, 6, 6, 6}, {13, 9, 64, 20}, {64, 64, 1, 1}};

std::vector<Resize> resizes() {
  return with_drawn(kResizes, 6, [](Sizes& size) {
    return Resize{size(1, 30), size(1, 30), size(1, 40), size(1, 40)};
  });
}

double linear_position(std::int64_t index, std::int64_t in, std::int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  return std::max(0.0, (static_cast<double>(index) + 0.5) * scale - 0.5);
}

TEST(ResampleTest, LinearMatchesTheTwin) {
  for (const auto& [height, width, out_height, out_width] : resizes()) {
    const Tensor x = random_tensor({height, width, 5}, 1);
    const View<const float> in = x.view<float>();
    const Tensor before = random_tensor({out_height, out_width, 5}, 2);
    for (const bool accumulate : {false, true}) {
      Tensor y = before.clone(MemoryKind::other);
      resample_linear(in, y.view<float>(), accumulate);
      for (std::int64_t r = 0; r < out_height; ++r) {
        for (std::int64_t c = 0; c < out_width; ++c) {
          const double row = linear_position(r, height, out_height), column = linear_position(c, width, out_width);
          const auto top = std::min(static_cast<std::int64_t>(row), height - 1);
          const auto left = std::min(static_cast<std::int64_t>(column), width - 1);
          for (std::int64_t k = 0; k < 5; ++k) {
            double value = accumulate ? static_cast<double>(before.view<float>()(r, c, k)) : 0.0;
            for (const std::int64_t i : {0, 1}) {
              for (const std::int64_t j : {0, 1}) {
                const double down = row - static_cast<double>(top), right = column - static_cast<double>(left);
                const double weight = (i == 0 ? 1.0 - down : down) * (j == 0 ? 1.0 - right : right);
                value +=
                    weight * static_cast<double>(in(std::min(top + i, height - 1), std::min(left + j, width - 1), k));
              }
            }
            ASSERT_NEAR(y.view<float>()(r, c, k), value, 1e-5) << r << ", " << c;
          }
        }
      }
    }
  }
}

TEST(ResampleTest, AreaMatchesTheTwin) {
  for (const auto& [height, width, out_height, out_width] : resizes()) {
    const Tensor x = random_tensor({height, width, 3}, 1);
    Tensor y(DType::f32, {out_height, out_width, 3}, MemoryKind::other);
    resample_area(x.view<float>(), y.view<float>());
    const auto covers = [](std::int64_t cell, std::int64_t in, std::int64_t index, std::int64_t out) {
      return (cell + 1) * out > index * in && cell * out < (index + 1) * in;
    };
    for (std::int64_t r = 0; r < out_height; ++r) {
      for (std::int64_t c = 0; c < out_width; ++c) {
        for (std::int64_t k = 0; k < 3; ++k) {
          double sum = 0.0, count = 0.0;
          for (std::int64_t i = 0; i < height; ++i) {
            for (std::int64_t j = 0; j < width; ++j) {
              if (!covers(i, height, r, out_height) || !covers(j, width, c, out_width)) continue;
              sum += static_cast<double>(x.view<float>()(i, j, k));
              count += 1.0;
            }
          }
          ASSERT_NEAR(y.view<float>()(r, c, k), sum / count, 1e-5) << r << ", " << c;
        }
      }
    }
  }
}

TEST(ResampleTest, ShufflesMatchTheTwinAndAreInverse) {
  Sizes size;
  for (int tried = 0; tried < 5; ++tried) {
    const std::int64_t height = size(1, 9), width = size(1, 9), channels = size(1, 20);
    const Tensor x = random_tensor({2 * height, 2 * width, channels}, 1);
    Tensor folded(DType::f32, {height, width, 4 * channels}, MemoryKind::other);
    pixel_unshuffle_2x(x.view<float>(), folded.view<float>());
    // Channel 4 k + 2 i + j of a cell is channel k of the pixel at row i, column j under it.
    for (std::int64_t r = 0; r < 2 * height; ++r) {
      for (std::int64_t c = 0; c < 2 * width; ++c) {
        for (std::int64_t k = 0; k < channels; ++k)
          ASSERT_EQ(folded.view<float>()(r / 2, c / 2, 4 * k + 2 * (r % 2) + c % 2), x.view<float>()(r, c, k));
      }
    }
  }
}

}  // namespace
}  // namespace scalekv::kernels
