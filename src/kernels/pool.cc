#include "kernels/pool.h"

#include <algorithm>

#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

constexpr std::int64_t kWindow = 3;

// The cells begin..end-1 of one axis that a window covers.
struct Span {
  std::int64_t begin, end;
};

Span window(std::int64_t output, std::int64_t stride, std::int64_t padding, std::int64_t size) {
  const std::int64_t first = output * stride - padding;
  return {std::max<std::int64_t>(first, 0), std::min(first + kWindow, size)};
}

// Calls cell(out, in) for every cell that the window of an output cell covers, after start(out); then end(out, cells).
template <typename Start, typename Cell, typename End>
void pool(View<const float> x, std::int64_t stride, std::int64_t padding, View<float> y, const Start& start,
          const Cell& cell, const End& end) {
  SCALEKV_ASSERT(x.rank() == 3 && y.rank() == 3 && x.contiguous() && y.contiguous() && x.size(2) == y.size(2));
  for (int axis = 0; axis < 2; ++axis) {
    SCALEKV_ASSERT(x.size(axis) + 2 * padding >= kWindow);
    SCALEKV_ASSERT(y.size(axis) == (x.size(axis) + 2 * padding - kWindow) / stride + 1);
  }
  parallel_for_static(y.size(0), [&](std::int64_t r) {
    const Span rows = window(r, stride, padding, x.size(0));
    for (std::int64_t c = 0; c < y.size(1); ++c) {
      const Span columns = window(c, stride, padding, x.size(1));
      float* out = y.at(r, c, 0);
      start(out, x.at(rows.begin, columns.begin, 0));
      for (std::int64_t i = rows.begin; i < rows.end; ++i) {
        for (std::int64_t j = columns.begin; j < columns.end; ++j) cell(out, x.at(i, j, 0));
      }
      end(out, (rows.end - rows.begin) * (columns.end - columns.begin));
    }
  });
}

}  // namespace

void max_pool_3x3(View<const float> x, std::int64_t stride, std::int64_t padding, View<float> y) {
  const std::int64_t channels = x.size(2);
  pool(
      x, stride, padding, y, [&](float* out, const float* first) { std::copy_n(first, channels, out); },
      [&](float* out, const float* in) {
        for (std::int64_t k = 0; k < channels; ++k) out[k] = std::max(out[k], in[k]);
      },
      [](float*, std::int64_t) {});
}

void mean_pool_3x3(View<const float> x, View<float> y) {
  const std::int64_t channels = x.size(2);
  pool(
      x, 1, 1, y, [&](float* out, const float*) { std::fill_n(out, channels, 0.0F); },
      [&](float* out, const float* in) {
        for (std::int64_t k = 0; k < channels; ++k) out[k] += in[k];
      },
      [&](float* out, std::int64_t cells) {
        for (std::int64_t k = 0; k < channels; ++k) out[k] /= static_cast<float>(cells);
      });
}

}  // namespace scalekv::kernels
