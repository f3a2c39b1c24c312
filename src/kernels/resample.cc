#include "kernels/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

// Where an output cell looks on one axis: two input cells and the second's weight.
struct Tap2 {
  std::int64_t low, high;
  float weight;
};

std::vector<Tap2> linear_taps(std::int64_t in, std::int64_t out) {
  std::vector<Tap2> taps;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (std::int64_t i = 0; i < out; ++i) {
    const float position = std::max(0.0F, scale * (static_cast<float>(i) + 0.5F) - 0.5F);
    const std::int64_t low = std::min(static_cast<std::int64_t>(position), in - 1);
    taps.push_back({low, std::min(low + 1, in - 1), position - static_cast<float>(low)});
  }
  return taps;
}

void check_maps(View<const float> x, View<float> y) {
  SCALEKV_ASSERT(x.rank() == 3 && y.rank() == 3 && x.contiguous() && y.contiguous());
}

}  // namespace

void resample_linear(View<const float> x, View<float> y, bool accumulate) {
  check_maps(x, y);
  SCALEKV_ASSERT(x.size(2) == y.size(2));
  const std::vector<Tap2> rows = linear_taps(x.size(0), y.size(0));
  const std::vector<Tap2> columns = linear_taps(x.size(1), y.size(1));
  const std::int64_t channels = x.size(2);
  parallel_for_static(y.size(0), [&](std::int64_t r) {
    const Tap2& row = rows[static_cast<std::size_t>(r)];
    for (std::int64_t c = 0; c < y.size(1); ++c) {
      const Tap2& column = columns[static_cast<std::size_t>(c)];
      const float* a = x.at(row.low, column.low, 0);
      const float* b = x.at(row.low, column.high, 0);
      const float* e = x.at(row.high, column.low, 0);
      const float* f = x.at(row.high, column.high, 0);
      float* out = y.at(r, c, 0);
      for (std::int64_t k = 0; k < channels; ++k) {
        const float top = (1.0F - column.weight) * a[k] + column.weight * b[k];
        const float bottom = (1.0F - column.weight) * e[k] + column.weight * f[k];
        const float value = (1.0F - row.weight) * top + row.weight * bottom;
        out[k] = accumulate ? out[k] + value : value;
      }
    }
  });
}

void resample_area(View<const float> x, View<float> y) {
  check_maps(x, y);
  SCALEKV_ASSERT(x.size(2) == y.size(2));
  const std::int64_t channels = x.size(2);
  // Output cell i covers input cells floor(i in / out) .. ceil((i + 1) in / out) - 1.
  const auto begin = [](std::int64_t i, std::int64_t in, std::int64_t out) { return i * in / out; };
  const auto end = [](std::int64_t i, std::int64_t in, std::int64_t out) { return ((i + 1) * in + out - 1) / out; };
  parallel_for_static(y.size(0), [&](std::int64_t r) {
    const std::int64_t top = begin(r, x.size(0), y.size(0));
    const std::int64_t bottom = end(r, x.size(0), y.size(0));
    for (std::int64_t c = 0; c < y.size(1); ++c) {
      const std::int64_t left = begin(c, x.size(1), y.size(1));
      const std::int64_t right = end(c, x.size(1), y.size(1));
      float* out = y.at(r, c, 0);
      std::fill_n(out, channels, 0.0F);
      for (std::int64_t i = top; i < bottom; ++i) {
        for (std::int64_t j = left; j < right; ++j) {
          const float* in = x.at(i, j, 0);
          for (std::int64_t k = 0; k < channels; ++k) out[k] += in[k];
        }
      }
      const auto count = static_cast<float>((bottom - top) * (right - left));
      for (std::int64_t k = 0; k < channels; ++k) out[k] /= count;
    }
  });
}

void pixel_unshuffle_2x(View<const float> x, View<float> y) {
  check_maps(x, y);
  SCALEKV_ASSERT(x.shape() == (Shape{2 * y.size(0), 2 * y.size(1), y.size(2) / 4}));
  for (std::int64_t r = 0; r < x.size(0); ++r) {
    for (std::int64_t c = 0; c < x.size(1); ++c) {
      for (std::int64_t k = 0; k < x.size(2); ++k) y(r / 2, c / 2, 4 * k + 2 * (r % 2) + c % 2) = x(r, c, k);
    }
  }
}

}  // namespace scalekv::kernels
