#include "kernels/int8_matmul.h"

#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "core/threads.h"
#define HWY_WANT_AVX3_DL  // for VNNI
#include "kernels/simd_targets.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/int8_matmul.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/epilogue-inl.h"
#include "kernels/rotation-inl.h"

#ifndef SCALEKV_KERNELS_INT8_MATMUL_SHARED
#define SCALEKV_KERNELS_INT8_MATMUL_SHARED
namespace scalekv::kernels {
constexpr std::size_t kSlab = 48;      // outputs of a task
constexpr std::size_t kRows = 96;      // rows of a task
constexpr std::size_t kDepth = 1024;   // inputs whose part of a slab stays in the second-level cache
constexpr std::size_t kPadding = 64;   // rows of codes are filled up with zeros to a multiple of this
constexpr std::size_t kCodeBytes = 2;  // of the widest kind of code

// Rows of x as codes.
struct EncodedRows {
  void* codes;           // [rows][stride] of the target's type
  std::size_t stride;    // elements from row to row
  float* scales;         // [rows]
  std::size_t inputs;    // K
  std::size_t rotation;  // of the weight
};

// Some rows and outputs of y.
struct Task {
  EncodedRows rows;
  std::size_t first_row, count, all_rows;
  std::size_t column, width;  // outputs
  const std::int8_t* codes;   // the weight's, [N][K]
  const float* scales;        // the weight's, [N]
  View<float> y;              // [all_rows, N]
};

struct Scratch {
  void* weights;       // [kSlab][kDepth] of the target's type
  std::int32_t* sums;  // [kRows][kSlab]
};
}  // namespace scalekv::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Int32 = hn::ScalableTag<std::int32_t>;
using Sums = hn::Vec<Int32>;
constexpr std::size_t kTileOutputs = 3;

#if HWY_TARGET == HWY_AVX3_DL
// Bytes: inputs are unsigned, 128 above what they stand for, weights are signed.
using Code = std::uint8_t;
using WeightCode = std::int8_t;
constexpr std::int32_t kZero = 128;
#else
using Code = std::int16_t;
using WeightCode = std::int16_t;
constexpr std::int32_t kZero = 0;
#endif
using CodeTag = hn::ScalableTag<Code>;
using WeightTag = hn::ScalableTag<WeightCode>;
constexpr std::size_t kLanes = hn::MaxLanes(CodeTag());
constexpr std::size_t kTileRows = HWY_MAX_BYTES >= 64 ? 8 : 4;

constexpr bool kX86 = HWY_ARCH_X86 != 0 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR;
constexpr bool kTwoSums = !kX86;

// Products of neighbours, added to the sums. x86 needs one vector of sums, others share them among two.
#if HWY_TARGET == HWY_AVX3_DL
HWY_INLINE void multiply_add(hn::Vec<CodeTag> x, hn::Vec<WeightTag> w, Sums& sums, Sums&) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums.raw) : "v"(x.raw), "v"(w.raw));  // Highway has no name for it
}
HWY_INLINE hn::Vec<WeightTag> load_weights(const std::int8_t* codes) { return hn::LoadU(WeightTag(), codes); }
#else
HWY_INLINE void multiply_add(hn::Vec<CodeTag> x, hn::Vec<WeightTag> w, Sums& sums, Sums& others) {
  sums = hn::ReorderWidenMulAccumulate(Int32(), x, w, sums, others);
}
HWY_INLINE hn::Vec<WeightTag> load_weights(const std::int8_t* codes) {
  return hn::PromoteTo(WeightTag(), hn::LoadU(hn::Rebind<std::int8_t, WeightTag>(), codes));
}
#endif

// Keeps a vector in its register, which compilers otherwise give up for a second load or a copy.
template <class V>
HWY_INLINE void pin(V& vector) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  asm("" : "+v"(vector.raw));
#else
  static_cast<void>(vector);
#endif
}

// target[0..2] += the sums of the lanes of each.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void add_lanes(Sums a, Sums b, Sums c, std::int32_t* target) {
  target[0] += hn::GetLane(a);
  target[1] += hn::GetLane(b);
  target[2] += hn::GetLane(c);
}
#else
template <class D>
HWY_INLINE auto add_blocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return add_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

HWY_INLINE void add_lanes(Sums a, Sums b, Sums c, std::int32_t* target) {
  const Int32 d;
  const hn::Repartition<std::int64_t, Int32> pairs;
  const auto ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const auto cc = hn::Add(hn::InterleaveLower(d, c, c), hn::InterleaveUpper(d, c, c));
  const auto lower = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, cc));
  const auto upper = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, cc));
  HWY_ALIGN std::int32_t four[4];
  hn::Store(add_blocks(d, hn::Add(hn::BitCast(d, lower), hn::BitCast(d, upper))), hn::CappedTag<std::int32_t, 4>(),
            four);
  for (std::size_t i = 0; i < kTileOutputs; ++i) target[i] += four[i];
}
#endif

// sums[row][0..2] += codes of Rows rows times those of three outputs, `depth` of them, a multiple of kLanes.
template <std::size_t Rows>
HWY_INLINE void multiply_tile(const Code* HWY_RESTRICT x, std::size_t stride, const WeightCode* HWY_RESTRICT weights,
                              std::size_t depth, std::int32_t* HWY_RESTRICT sums) {
  const Int32 d;
  Sums tile[Rows][kTileOutputs];
  Sums others[kTwoSums ? Rows : 1][kTwoSums ? kTileOutputs : 1];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(3)
    for (std::size_t n = 0; n < kTileOutputs; ++n) {
      tile[r][n] = hn::Zero(d);
      others[kTwoSums ? r : 0][kTwoSums ? n : 0] = hn::Zero(d);
    }
  }
  for (std::size_t k = 0; k < depth; k += kLanes) {
    hn::Vec<WeightTag> w[kTileOutputs];
    HWY_UNROLL(3)
    for (std::size_t n = 0; n < kTileOutputs; ++n) {
      w[n] = hn::Load(WeightTag(), weights + n * kDepth + k);
      pin(w[n]);
    }
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < Rows; ++r) {
      const auto value = hn::Load(CodeTag(), x + r * stride + k);
      HWY_UNROLL(3)
      for (std::size_t n = 0; n < kTileOutputs; ++n) {
        multiply_add(value, w[n], tile[r][n], others[kTwoSums ? r : 0][kTwoSums ? n : 0]);
        pin(tile[r][n]);
      }
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < Rows; ++r) {
    if constexpr (kTwoSums) {
      HWY_UNROLL(3)
      for (std::size_t n = 0; n < kTileOutputs; ++n) tile[r][n] = hn::Add(tile[r][n], others[r][n]);
    }
    add_lanes(tile[r][0], tile[r][1], tile[r][2], sums + r * kSlab);
  }
}

// The largest code of inputs: sums of `inputs` products with codes of weights stay within 32 bits.
std::int64_t largest_code(std::int64_t inputs) {
  if (kZero != 0 || inputs < 1) return 127;
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  return std::min<std::int64_t>(std::numeric_limits<std::int16_t>::max(), kMost / (128 * inputs));
}

// Rounds row number `row` of the encoded ones from `x`. `rotated` has room for a row.
void encode_row(const float* x, const EncodedRows& rows, std::size_t row, float* rotated) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> bits;
  const hn::RebindToSigned<decltype(d)> integers;
  const hn::Rebind<Code, decltype(d)> narrow;
  const std::size_t lanes = hn::Lanes(d);
  auto* codes = static_cast<Code*>(rows.codes) + row * rows.stride;
  if (rows.rotation > 1) {
    std::copy_n(x, rows.inputs, rotated);
    rotate(rotated, rows.inputs, rows.rotation);
    x = rotated;
  }
  // The largest magnitude as bits, among which infinities and NaNs are the largest of all.
  auto top = hn::Zero(bits);
  std::size_t i = 0;
  for (; i + lanes <= rows.inputs; i += lanes) {
    top = hn::Max(top, hn::And(hn::BitCast(bits, hn::LoadU(d, x + i)), hn::Set(bits, 0x7FFFFFFFU)));
  }
  auto most = std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(bits, top)));
  for (; i < rows.inputs; ++i) {
    if (std::isfinite(most) && !(std::abs(x[i]) <= most)) most = std::abs(x[i]);
  }
  const auto limit = static_cast<float>(largest_code(static_cast<std::int64_t>(rows.inputs)));
  rows.scales[row] = std::isfinite(most) ? most / limit : std::numeric_limits<float>::quiet_NaN();
  if (!(most > 1e-30F) || !std::isfinite(most)) {  // too small to have an inverse, or no number
    std::fill_n(codes, rows.stride, static_cast<Code>(kZero));
    if (std::isfinite(most)) rows.scales[row] = 0.0F;
    return;
  }
  const float inverse = limit / most;
  for (i = 0; i + lanes <= rows.inputs; i += lanes) {
    const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, inverse)));
    hn::StoreU(hn::DemoteTo(narrow, hn::Add(rounded, hn::Set(integers, kZero))), narrow, codes + i);
  }
  for (; i < rows.inputs; ++i) {
    codes[i] = static_cast<Code>(static_cast<std::int32_t>(std::nearbyint(x[i] * inverse)) + kZero);
  }
  std::fill(codes + rows.inputs, codes + rows.stride, static_cast<Code>(kZero));
}

// The part of a slab from input k on, widened where the machine multiplies wider codes, behind it zeros up to a
// multiple of kLanes and of three outputs. Returns how many codes a row has.
std::size_t unpack_weights(const Task& task, std::size_t k, std::size_t depth, WeightCode* target) {
  const std::size_t padded = (depth + kLanes - 1) / kLanes * kLanes;
  for (std::size_t n = 0; n < task.width; ++n) {
    const std::int8_t* source = task.codes + (task.column + n) * task.rows.inputs + k;
    WeightCode* row = target + n * kDepth;
    std::size_t i = 0;
    for (; i + kLanes <= depth; i += kLanes) hn::Store(load_weights(source + i), WeightTag(), row + i);
    for (; i < depth; ++i) row[i] = static_cast<WeightCode>(static_cast<int>(source[i]));
    std::fill(row + i, row + padded, WeightCode{0});
  }
  for (std::size_t n = task.width; n % kTileOutputs != 0; ++n) std::fill_n(target + n * kDepth, padded, WeightCode{0});
  return padded;
}

// What the offset of the inputs' codes adds to the sums of each output.
void add_offsets(const WeightCode* weights, std::size_t width, std::size_t depth, std::int32_t* offsets) {
  for (std::size_t n = 0; n < width; ++n) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < depth; ++i) sum += weights[n * kDepth + i];
    offsets[n] += sum * kZero;
  }
}

void multiply_slab(const Task& task, const Epilogue& epilogue, const Scratch& scratch) {
  auto* weights = static_cast<WeightCode*>(scratch.weights);
  std::int32_t offsets[kSlab] = {};
  std::fill_n(scratch.sums, task.count * kSlab, 0);
  for (std::size_t k = 0; k < task.rows.inputs; k += kDepth) {
    const std::size_t depth = unpack_weights(task, k, std::min(kDepth, task.rows.inputs - k), weights);
    if (kZero != 0) add_offsets(weights, task.width, depth, offsets);
    const Code* x = static_cast<const Code*>(task.rows.codes) + task.first_row * task.rows.stride + k;
    const auto multiply = [&](auto rows, std::size_t row) HWY_ATTR {
      for (std::size_t n = 0; n < task.width; n += kTileOutputs) {
        multiply_tile<decltype(rows)::value>(x + row * task.rows.stride, task.rows.stride, weights + n * kDepth, depth,
                                             scratch.sums + row * kSlab + n);
      }
    };
    std::size_t row = 0;
    for (; row + kTileRows <= task.count; row += kTileRows) {
      multiply(std::integral_constant<std::size_t, kTileRows>(), row);
    }
    for (; row < task.count; ++row) multiply(std::integral_constant<std::size_t, 1>(), row);
  }
  for (std::size_t row = 0; row < task.count; ++row) {
    const std::size_t place = task.first_row + row;
    float values[kSlab];
    for (std::size_t n = 0; n < task.width; ++n) {
      const std::int32_t sum = scratch.sums[row * kSlab + n] - offsets[n];
      values[n] = static_cast<float>(sum) * (task.rows.scales[place] * task.scales[task.column + n]);
    }
    const float* gate = epilogue.gate_of(static_cast<std::int64_t>(place), static_cast<std::int64_t>(task.all_rows));
    finish_row(values, task.column, task.width, epilogue, gate, task.y.at(place, task.column));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(encode_row);
HWY_EXPORT(largest_code);
HWY_EXPORT(multiply_slab);

}  // namespace

std::int64_t largest_input_code(std::int64_t inputs) { return HWY_DYNAMIC_DISPATCH(largest_code)(inputs); }

void int8_matmul(View<const float> x, const Int8Weight& weight, const Epilogue& epilogue, View<float> y) {
  constexpr std::int64_t kHeight{kRows}, kWidth{kSlab}, kBytes{kCodeBytes};
  const std::int64_t rows = x.size(0), inputs = x.size(1), outputs = y.size(1);
  const std::int64_t stride = ceil_divide(inputs, kPadding) * std::int64_t{kPadding};
  Tensor codes(DType::u8, {rows * stride * kBytes}, MemoryKind::activations);
  Tensor scales(DType::f32, {rows}, MemoryKind::activations);
  Tensor rotated(DType::f32, {threads(), weight.rotation > 1 ? inputs : 1}, MemoryKind::activations);
  const View<float> rotated_rows = rotated.view<float>();
  const EncodedRows encoded{.codes = codes.mutable_raw(),
                            .stride = static_cast<std::size_t>(stride),
                            .scales = scales.view<float>().data(),
                            .inputs = static_cast<std::size_t>(inputs),
                            .rotation = static_cast<std::size_t>(weight.rotation)};
  parallel_for_static(rows, [&](std::int64_t row) {
    HWY_DYNAMIC_DISPATCH(encode_row)
    (x.at(row, 0), encoded, static_cast<std::size_t>(row), rotated_rows.at(omp_get_thread_num(), 0));
  });

  const std::int64_t row_blocks = ceil_divide(rows, kHeight), slabs = ceil_divide(outputs, kWidth);
  Tensor weights(DType::u8, {threads(), kWidth * std::int64_t{kDepth} * kBytes}, MemoryKind::activations);
  Tensor sums(DType::i32, {threads(), kHeight * kWidth}, MemoryKind::activations);
  const View<std::uint8_t> own_weights = weights.view<std::uint8_t>();
  const View<std::int32_t> own_sums = sums.view<std::int32_t>();
  parallel_for(row_blocks * slabs, [&](std::int64_t index) {
    const std::int64_t row = index / slabs * kHeight, column = index % slabs * kWidth;
    const std::int64_t end = std::min(rows, row + kHeight);
    const Task task{.rows = encoded,
                    .first_row = static_cast<std::size_t>(row),
                    .count = static_cast<std::size_t>(end - row),
                    .all_rows = static_cast<std::size_t>(rows),
                    .column = static_cast<std::size_t>(column),
                    .width = static_cast<std::size_t>(std::min(kWidth, outputs - column)),
                    .codes = weight.codes.view<std::int8_t>().data(),
                    .scales = weight.scales.view<float>().data(),
                    .y = y};
    HWY_DYNAMIC_DISPATCH(multiply_slab)
    (task, epilogue, {own_weights.at(omp_get_thread_num(), 0), own_sums.at(omp_get_thread_num(), 0)});
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
