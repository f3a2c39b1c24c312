#include "kernels/row_matmul.h"

#include <omp.h>

#include <algorithm>

#include "core/threads.h"
#include "kernels/simd_targets.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/row_matmul.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#ifndef SCALEKV_KERNELS_ROW_MATMUL_CONSTANTS
#define SCALEKV_KERNELS_ROW_MATMUL_CONSTANTS
namespace scalekv::kernels {
constexpr std::size_t kPanel = 16;   // outputs of a panel
constexpr std::size_t kSlab = 64;    // outputs of a task
constexpr std::size_t kRows = 96;    // rows of a task
constexpr std::size_t kDepth = 512;  // inputs whose part of a panel stays in the first-level cache
}  // namespace scalekv::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kPanel>;
using Vector = hn::Vec<Floats>;
constexpr std::size_t kLanes = hn::MaxLanes(Floats());
constexpr std::size_t kVectors = kPanel / kLanes;
constexpr std::size_t kTileRows = 6;

// sums[row][0..15] += x[row][0..depth-1] * panel, for Rows rows.
template <std::size_t Rows>
HWY_INLINE void multiply_tile(const float* HWY_RESTRICT x, std::int64_t stride, const float* HWY_RESTRICT panel,
                              std::size_t depth, float* HWY_RESTRICT sums) {
  const Floats d;
  Vector tile[Rows][kVectors];
  HWY_UNROLL(6)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) tile[r][v] = hn::Load(d, sums + r * kSlab + v * kLanes);
  }
  for (std::size_t k = 0; k < depth; ++k) {
    Vector weights[kVectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) weights[v] = hn::Load(d, panel + k * kPanel + v * kLanes);
    HWY_UNROLL(6)
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vector value = hn::Set(d, x[static_cast<std::int64_t>(r) * stride + static_cast<std::int64_t>(k)]);
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) tile[r][v] = hn::MulAdd(value, weights[v], tile[r][v]);
    }
  }
  HWY_UNROLL(6)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(tile[r][v], d, sums + r * kSlab + v * kLanes);
  }
}

// sums: [rows][kSlab] = x (rows, inputs) times `count` panels.
void multiply_slab(const float* x, std::int64_t stride, std::size_t rows, std::size_t inputs, const float* panels,
                   std::size_t count, float* sums) {
  std::fill_n(sums, rows * kSlab, 0.0F);
  for (std::size_t k = 0; k < inputs; k += kDepth) {
    const std::size_t depth = std::min(kDepth, inputs - k);
    for (std::size_t p = 0; p < count; ++p) {
      const float* panel = panels + (p * inputs + k) * kPanel;
      float* out = sums + p * kPanel;
      const auto row = [&](std::size_t r) { return x + static_cast<std::int64_t>(r) * stride + k; };
      std::size_t r = 0;
      for (; r + kTileRows <= rows; r += kTileRows) {
        multiply_tile<kTileRows>(row(r), stride, panel, depth, out + r * kSlab);
      }
      for (; r < rows; ++r) multiply_tile<1>(row(r), stride, panel, depth, out + r * kSlab);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(multiply_slab);

std::size_t ceil_divide(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

}  // namespace

Tensor pack_panels(const Tensor& weight, MemoryKind kind) {
  const auto outputs = static_cast<std::size_t>(weight.shape()[0]);
  const auto inputs = static_cast<std::size_t>(weight.shape()[1]);
  const std::size_t panels = ceil_divide(outputs, kPanel);
  Tensor packed(DType::f32, {static_cast<std::int64_t>(panels * inputs * kPanel)}, kind);
  const float* source = weight.view<float>().data();
  float* target = packed.view<float>().data();
  parallel_for_static(static_cast<std::int64_t>(panels), [&](std::int64_t index) {
    const auto panel = static_cast<std::size_t>(index);
    for (std::size_t k = 0; k < inputs; ++k) {
      for (std::size_t j = 0; j < kPanel; ++j) {
        const std::size_t n = panel * kPanel + j;
        target[(panel * inputs + k) * kPanel + j] = n < outputs ? source[n * inputs + k] : 0.0F;
      }
    }
  });
  return packed;
}

void row_matmul(View<const float> x, const Tensor& panels, const float* bias, View<float> y, bool accumulate) {
  const auto rows = static_cast<std::size_t>(x.size(0));
  const auto inputs = static_cast<std::size_t>(x.size(1));
  const auto outputs = static_cast<std::size_t>(y.size(1));
  const std::size_t row_blocks = ceil_divide(rows, kRows);
  const std::size_t slabs = ceil_divide(outputs, kSlab);
  Tensor scratch(DType::f32, {threads(), static_cast<std::int64_t>(kRows * kSlab)}, MemoryKind::activations);
  const View<float> scratch_rows = scratch.view<float>();
  const float* weights = panels.view<float>().data();
  parallel_for(static_cast<std::int64_t>(row_blocks * slabs), [&](std::int64_t task) {
    const std::size_t column = static_cast<std::size_t>(task) / row_blocks * kSlab;
    const std::size_t row = static_cast<std::size_t>(task) % row_blocks * kRows;
    const std::size_t height = std::min(kRows, rows - row);
    const std::size_t width = std::min(kSlab, outputs - column);
    float* sums = scratch_rows.at(omp_get_thread_num(), 0);
    HWY_DYNAMIC_DISPATCH(multiply_slab)
    (x.at(row, 0), x.stride(0), height, inputs, weights + column * inputs, ceil_divide(width, kPanel), sums);
    for (std::size_t r = 0; r < height; ++r) {
      float* out = y.at(row + r, column);
      for (std::size_t c = 0; c < width; ++c) {
        const float value = sums[r * kSlab + c] + (bias == nullptr ? 0.0F : bias[column + c]);
        out[c] = accumulate ? out[c] + value : value;
      }
    }
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
