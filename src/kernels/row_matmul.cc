#include "kernels/row_matmul.h"

#include <algorithm>
#include <functional>

#include "base/ceil_divide.h"
#include "kernels/simd_targets.h"
#include "runtime/threads.h"

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
constexpr std::size_t kDepth = 512;  // inputs whose part of a panel stays in the first-level cache

// Some rows and outputs of y.
struct RowTask {
  View<const float> x;  // [rows, inputs]
  View<float> y;        // [rows, N]
  std::int64_t first_row, all_rows;
  std::size_t column, width;  // outputs
  float* sums;                // room for [rows][kSlab]
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

// sums[row][0..15] += x[row][0..depth-1] * panel, for Rows rows.
template <std::size_t Rows>
HWY_INLINE void multiply_tile(const float* HWY_RESTRICT x, std::int64_t stride, const float* HWY_RESTRICT panel,
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
    for (std::size_t v = 0; v < kVectors; ++v) weights[v] = hn::Load(d, panel + k * kPanel + v * kLanes);
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

// Adds the products with inputs k to k + depth - 1, whose panels are `panel_stride` floats apart.
void add_products(const RowTask& task, std::size_t k, std::size_t depth, const float* panels,
                  std::size_t panel_stride) {
  const auto rows = static_cast<std::size_t>(task.x.size(0));
  const std::int64_t stride = task.x.stride(0);
  for (std::size_t p = 0; p * kPanel < task.width; ++p) {
    const float* panel = panels + p * panel_stride;
    float* out = task.sums + p * kPanel;
    std::size_t r = 0;
    for (; r + kTileRows <= rows; r += kTileRows) {
      multiply_tile<kTileRows>(task.x.at(r, k), stride, panel, depth, out + r * kSlab);
    }
    for (; r < rows; ++r) multiply_tile<1>(task.x.at(r, k), stride, panel, depth, out + r * kSlab);
  }
}

void finish(const RowTask& task, const Epilogue& epilogue) {
  const auto rows = static_cast<std::size_t>(task.x.size(0));
  for (std::size_t r = 0; r < rows; ++r) {
    const float* gate = epilogue.gate_of(task.first_row + static_cast<std::int64_t>(r), task.all_rows);
    finish_row(task.sums + r * kSlab, task.column, task.width, epilogue, gate, task.y.at(r, task.column));
  }
}

// Panels [ceil(N / 16)][K][16].
void multiply_panels(const RowTask& task, const float* panels, const Epilogue& epilogue) {
  const auto inputs = static_cast<std::size_t>(task.x.size(1));
  std::fill_n(task.sums, task.x.size(0) * std::int64_t{kSlab}, 0.0F);
  for (std::size_t k = 0; k < inputs; k += kDepth) {
    add_products(task, k, std::min(kDepth, inputs - k), panels + task.column * inputs + k * kPanel, inputs * kPanel);
  }
  finish(task, epilogue);
}

// target[k][j] = weight[j][k] as float32, for 8 outputs j and 8 inputs k; bfloat16 is the upper half of a float32.
HWY_INLINE void widen_eight(const std::uint16_t* HWY_RESTRICT weight, std::size_t stride, float* HWY_RESTRICT target) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t k = 0; k < 8; ++k) {
    for (std::size_t j = 0; j < 8; ++j) target[k * kPanel + j] = to_float(BFloat16{weight[j * stride + k]});
  }
#else
  const hn::CappedTag<std::uint16_t, 8> d;
  const hn::CappedTag<float, 4> floats;
  hn::Vec<decltype(d)> rows[8], mixed[8];
  HWY_UNROLL(8)
  for (std::size_t j = 0; j < 8; ++j) rows[j] = hn::LoadU(d, weight + j * stride);
  // To interleave the halves of a list is to rotate the bits of an element's index by one; three times transposes.
  HWY_UNROLL(3)
  for (int step = 0; step < 3; ++step) {
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < 4; ++j) {
      mixed[2 * j] = hn::InterleaveLower(d, rows[j], rows[j + 4]);
      mixed[2 * j + 1] = hn::InterleaveUpper(d, rows[j], rows[j + 4]);
    }
    HWY_UNROLL(8)
    for (std::size_t j = 0; j < 8; ++j) rows[j] = mixed[j];
  }
  const auto zero = hn::Zero(d);
  HWY_UNROLL(8)
  for (std::size_t k = 0; k < 8; ++k) {
    hn::Store(hn::BitCast(floats, hn::InterleaveLower(d, zero, rows[k])), floats, target + k * kPanel);
    hn::Store(hn::BitCast(floats, hn::InterleaveUpper(d, zero, rows[k])), floats, target + k * kPanel + 4);
  }
#endif
}

// The task's part of a weight [N, K] from input k on as panels [4][kDepth][16], filled up with zeros.
void widen_panels(const RowTask& task, View<const BFloat16> weight, std::size_t k, std::size_t depth, float* panels) {
  const auto stride = static_cast<std::size_t>(weight.stride(0));
  for (std::size_t first = 0; first < task.width; first += 8) {
    const std::size_t present = std::min<std::size_t>(8, task.width - first);
    const BFloat16* rows = weight.at(task.column + first, k);
    float* target = panels + first / kPanel * kDepth * kPanel + first % kPanel;
    std::size_t i = 0;
    if (present == 8) {
      for (; i + 8 <= depth; i += 8) {
        widen_eight(reinterpret_cast<const std::uint16_t*>(rows + i), stride, target + i * kPanel);
      }
    }
    for (; i < depth; ++i) {
      for (std::size_t j = 0; j < 8; ++j) target[i * kPanel + j] = j < present ? to_float(rows[j * stride + i]) : 0.0F;
    }
    if (first + 8 < task.width || (first + 8) % kPanel == 0) continue;
    for (i = 0; i < depth; ++i) std::fill_n(target + i * kPanel + 8, 8, 0.0F);  // the other half of the last panel
  }
}

// Rows [N, K] of a weight as they are in a file. `panels`: room for [4][kDepth][16].
void multiply_bfloats(const RowTask& task, View<const BFloat16> weight, const Epilogue& epilogue, float* panels) {
  const auto inputs = static_cast<std::size_t>(task.x.size(1));
  std::fill_n(task.sums, task.x.size(0) * std::int64_t{kSlab}, 0.0F);
  for (std::size_t k = 0; k < inputs; k += kDepth) {
    const std::size_t depth = std::min(kDepth, inputs - k);
    widen_panels(task, weight, k, depth, panels);
    add_products(task, k, depth, panels, kDepth * kPanel);
  }
  finish(task, epilogue);
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(multiply_panels);
HWY_EXPORT(multiply_bfloats);

// Calls multiply(task, scratch) for all tasks of `height` rows; every thread has `scratch_size` floats of its own.
template <typename Multiply>
void for_tasks(View<const float> x, View<float> y, std::int64_t height, std::int64_t scratch_size,
               const Multiply& multiply) {
  constexpr std::int64_t kWidth{kSlab};
  const std::int64_t rows = x.size(0), outputs = y.size(1);
  const std::int64_t row_blocks = ceil_divide(rows, height), slabs = ceil_divide(outputs, kWidth);
  Tensor scratch(DType::f32, {threads(), height * kWidth + scratch_size}, MemoryKind::other);
  const View<float> own = scratch.view<float>();
  parallel_for(row_blocks * slabs, [&](std::int64_t index, int worker) {
    const std::int64_t column = index / row_blocks * kWidth;
    const std::int64_t row = index % row_blocks * height;
    const std::int64_t end = std::min(rows, row + height);
    float* room = own.at(worker, 0);
    multiply({.x = x.slice(0, row, end),
              .y = y.slice(0, row, end),
              .first_row = row,
              .all_rows = rows,
              .column = static_cast<std::size_t>(column),
              .width = static_cast<std::size_t>(std::min(kWidth, outputs - column)),
              .sums = room},
             room + height * kWidth);
  });
}

}  // namespace

std::int64_t panel_bytes(std::int64_t inputs, std::int64_t outputs) {
  return ceil_divide(outputs, kPanel) * inputs * std::int64_t{kPanel} * std::int64_t{sizeof(float)};
}

namespace {

// `widen` makes a float of an element.
template <typename T, typename Widen>
void fill_panels(View<const T> weight, float* target, const Widen& widen) {
  constexpr std::int64_t kWidth{kPanel};
  const std::int64_t outputs = weight.size(0), inputs = weight.size(1);
  parallel_for_static(ceil_divide(outputs, kWidth), [&](std::int64_t panel) {
    for (std::int64_t k = 0; k < inputs; ++k) {
      for (std::int64_t j = 0; j < kWidth; ++j) {
        const std::int64_t n = panel * kWidth + j;
        target[(panel * inputs + k) * kWidth + j] = n < outputs ? widen(weight(n, k)) : 0.0F;
      }
    }
  });
}

}  // namespace

Tensor pack_panels(const Tensor& weight, MemoryKind kind) {
  const std::int64_t bytes = panel_bytes(weight.shape()[1], weight.shape()[0]);
  Tensor packed(DType::f32, {bytes / std::int64_t{sizeof(float)}}, kind);
  float* target = packed.view<float>().data();
  if (weight.dtype() == DType::f32) {
    fill_panels(weight.view<float>(), target, std::identity());
  } else if (weight.dtype() == DType::bf16) {  // widened on the way, without a float copy of the matrix
    fill_panels(weight.view<BFloat16>(), target, [](BFloat16 value) { return to_float(value); });
  } else {
    const Tensor widened = weight.convert_to_float(MemoryKind::other);
    fill_panels(widened.view<float>(), target, std::identity());
  }
  return packed;
}

void row_matmul(View<const float> x, const Tensor& panels, const Epilogue& epilogue, View<float> y) {
  constexpr std::int64_t kRows = 96;
  const float* packed = panels.view<float>().data();
  for_tasks(x, y, kRows, 0, [&](const RowTask& task, float*) {
    HWY_DYNAMIC_DISPATCH(multiply_panels)(task, packed, epilogue);
  });
}

void bfloat16_matmul(View<const float> x, View<const BFloat16> weight, const Epilogue& epilogue, View<float> y) {
  constexpr std::int64_t kRows = 128;  // widening a weight is then little beside multiplying with it
  for_tasks(x, y, kRows, std::int64_t{kSlab} * std::int64_t{kDepth}, [&](const RowTask& task, float* room) {
    HWY_DYNAMIC_DISPATCH(multiply_bfloats)(task, weight, epilogue, room);
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
