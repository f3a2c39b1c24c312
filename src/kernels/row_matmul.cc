#include "kernels/row_matmul.h"

#include <omp.h>

#include <algorithm>
#include <utility>

#include "core/ceil_divide.h"
#include "core/threads.h"
#include "kernels/simd_targets.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/row_matmul.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/epilogue-inl.h"

#ifndef SCALEKV_KERNELS_ROW_MATMUL_CONSTANTS
#define SCALEKV_KERNELS_ROW_MATMUL_CONSTANTS
namespace scalekv::kernels {
constexpr std::size_t kPanel = 16;   // outputs of a panel
constexpr std::size_t kSlab = 64;    // outputs of a task
constexpr std::size_t kRows = 96;    // rows of a task
constexpr std::size_t kDepth = 512;  // inputs whose part of a panel stays in the first-level cache

// Some rows and outputs of y.
struct Task {
  View<const float> x;  // [rows, inputs]
  View<float> y;        // [rows, N]
  std::int64_t first_row, all_rows;
  std::size_t column, width;  // outputs
};
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
constexpr std::size_t kTileRows = kVectors == 1 ? 12 : 6;  // enough sums under way to hide a multiply-add's latency

HWY_INLINE Vector load_weights(Floats d, const float* weights) { return hn::Load(d, weights); }
// bfloat16 is the upper half of a float32.
HWY_INLINE Vector load_weights(Floats d, const BFloat16* weights) {
  const hn::Repartition<std::uint32_t, Floats> wide;
  const hn::Rebind<std::uint16_t, Floats> narrow;
  const auto halves = hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(weights));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(wide, halves)));
}

// sums[row][0..15] += x[row][0..depth-1] * panel, for Rows rows.
template <std::size_t Rows, typename Weight>
HWY_INLINE void multiply_tile(const float* HWY_RESTRICT x, std::int64_t stride, const Weight* HWY_RESTRICT panel,
                              std::size_t depth, float* HWY_RESTRICT sums) {
  const Floats d;
  Vector tile[Rows][kVectors];
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) tile[r][v] = hn::Load(d, sums + r * kSlab + v * kLanes);
  }
  for (std::size_t k = 0; k < depth; ++k) {
    Vector weights[kVectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) weights[v] = load_weights(d, panel + k * kPanel + v * kLanes);
    HWY_UNROLL(12)
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vector value = hn::Set(d, x[static_cast<std::int64_t>(r) * stride + static_cast<std::int64_t>(k)]);
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) tile[r][v] = hn::MulAdd(value, weights[v], tile[r][v]);
    }
  }
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(tile[r][v], d, sums + r * kSlab + v * kLanes);
  }
}

template <typename Weight>
void multiply_slab(const Task& task, const Weight* panels, const Epilogue& epilogue, float* sums) {
  const auto rows = static_cast<std::size_t>(task.x.size(0));
  const auto inputs = static_cast<std::size_t>(task.x.size(1));
  const std::int64_t stride = task.x.stride(0);
  const std::size_t count = (task.width + kPanel - 1) / kPanel;
  panels += task.column * inputs;
  std::fill_n(sums, rows * kSlab, 0.0F);
  for (std::size_t k = 0; k < inputs; k += kDepth) {
    const std::size_t depth = std::min(kDepth, inputs - k);
    for (std::size_t p = 0; p < count; ++p) {
      const Weight* panel = panels + (p * inputs + k) * kPanel;
      float* out = sums + p * kPanel;
      std::size_t r = 0;
      for (; r + kTileRows <= rows; r += kTileRows) {
        multiply_tile<kTileRows>(task.x.at(r, k), stride, panel, depth, out + r * kSlab);
      }
      for (; r < rows; ++r) multiply_tile<1>(task.x.at(r, k), stride, panel, depth, out + r * kSlab);
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const float* gate = epilogue.gate_of(task.first_row + static_cast<std::int64_t>(r), task.all_rows);
    finish_row(sums + r * kSlab, task.column, task.width, epilogue, gate, task.y.at(r, task.column));
  }
}

void multiply_floats(const Task& task, const Tensor& panels, const Epilogue& epilogue, float* sums) {
  multiply_slab(task, panels.view<float>().data(), epilogue, sums);
}
void multiply_bfloats(const Task& task, const Tensor& panels, const Epilogue& epilogue, float* sums) {
  multiply_slab(task, panels.view<BFloat16>().data(), epilogue, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(multiply_floats);
HWY_EXPORT(multiply_bfloats);

template <typename Weight, typename Convert>
void pack(View<const float> weight, Weight* target, const Convert& convert) {
  constexpr std::int64_t kWidth{kPanel};
  const std::int64_t outputs = weight.size(0), inputs = weight.size(1);
  parallel_for_static(ceil_divide(outputs, kWidth), [&](std::int64_t panel) {
    for (std::int64_t k = 0; k < inputs; ++k) {
      for (std::int64_t j = 0; j < kWidth; ++j) {
        const std::int64_t n = panel * kWidth + j;
        target[(panel * inputs + k) * kWidth + j] = convert(n < outputs ? weight(n, k) : 0.0F);
      }
    }
  });
}

}  // namespace

std::int64_t panel_bytes(std::int64_t inputs, std::int64_t outputs, DType dtype) {
  return ceil_divide(outputs, kPanel) * inputs * std::int64_t{kPanel} * static_cast<std::int64_t>(dtype_size(dtype));
}

Tensor pack_panels(const Tensor& weight, DType dtype, MemoryKind kind) {
  SCALEKV_ASSERT(dtype == DType::f32 || dtype == DType::bf16);
  Tensor widened;
  if (weight.dtype() != DType::f32) widened = weight.convert_to_float(MemoryKind::other);
  const View<const float> values = (weight.dtype() == DType::f32 ? weight : std::as_const(widened)).view<float>();
  const std::int64_t bytes = panel_bytes(values.size(1), values.size(0), dtype);
  Tensor packed(dtype, {bytes / static_cast<std::int64_t>(dtype_size(dtype))}, kind);
  if (dtype == DType::f32) {
    pack(values, packed.view<float>().data(), [](float value) { return value; });
  } else {
    pack(values, packed.view<BFloat16>().data(), to_bfloat16);
  }
  return packed;
}

void row_matmul(View<const float> x, const Tensor& panels, const Epilogue& epilogue, View<float> y) {
  constexpr std::int64_t kHeight{kRows}, kWidth{kSlab};
  const std::int64_t rows = x.size(0);
  const std::int64_t outputs = y.size(1);
  const std::int64_t row_blocks = ceil_divide(rows, kHeight);
  const std::int64_t slabs = ceil_divide(outputs, kWidth);
  Tensor scratch(DType::f32, {threads(), kHeight * kWidth}, MemoryKind::other);
  const View<float> sums = scratch.view<float>();
  parallel_for(row_blocks * slabs, [&](std::int64_t index) {
    const std::int64_t column = index / row_blocks * kWidth;
    const std::int64_t row = index % row_blocks * kHeight;
    const std::int64_t end = std::min(rows, row + kHeight);
    const Task task{.x = x.slice(0, row, end),
                    .y = y.slice(0, row, end),
                    .first_row = row,
                    .all_rows = rows,
                    .column = static_cast<std::size_t>(column),
                    .width = static_cast<std::size_t>(std::min(kWidth, outputs - column))};
    float* own = sums.at(omp_get_thread_num(), 0);
    if (panels.dtype() == DType::f32) {
      HWY_DYNAMIC_DISPATCH(multiply_floats)(task, panels, epilogue, own);
    } else {
      HWY_DYNAMIC_DISPATCH(multiply_bfloats)(task, panels, epilogue, own);
    }
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
