#include "kernels/int8_matmul.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/ceil_divide.h"
#include "base/error.h"
#include "runtime/threads.h"
#define HWY_WANT_AVX3_DL  // for VNNI
#include "kernels/simd_targets.h"
#include "kernels/task_rows.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/int8_matmul.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/epilogue-inl.h"
#include "kernels/integer_products-inl.h"
#include "kernels/rotation-inl.h"

#ifndef SCALEKV_KERNELS_INT8_MATMUL_SHARED
#define SCALEKV_KERNELS_INT8_MATMUL_SHARED
namespace scalekv::kernels {
constexpr std::size_t kPanel = 16;      // outputs of a panel
constexpr std::size_t kSlab = 64;       // outputs of a task
constexpr std::size_t kRows = 768;      // most rows of a task: packing weights is then little beside multiplying
constexpr std::size_t kBlock = 96;      // rows whose inputs of a run stay in the second-level cache
constexpr std::size_t kRun = kInt8Run;  // inputs under one scale, whose part of a panel stays in the first-level cache
constexpr std::size_t kCodeBytes = 2;   // of the widest kind of code

// Rows of x as codes.
struct EncodedRows {
  void* codes;           // [runs][rows][stride] of the target's type
  std::size_t rows;      // M
  std::size_t stride;    // elements from row to row
  float* scales;         // [rows][runs]
  std::size_t inputs;    // K
  std::size_t runs;      // of kRun inputs
  std::size_t rotation;  // of the weight
};

// Some rows and outputs of y.
struct Int8Task {
  EncodedRows rows;
  std::size_t first_row, count;
  std::size_t column, width;  // outputs
  const std::int8_t* codes;   // the weight's, [N][K]
  const float* scales;        // the weight's, [N]
  View<float> y;              // [M, N]
};

struct Scratch {
  void* weights;          // [runs][kSlab / kPanel][kRun][kPanel] of the target's type
  std::int32_t* offsets;  // [runs][kSlab], what is too much in sums
  float* sums;            // [kBlock][kSlab]
};
}  // namespace scalekv::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;

// A lane of the sums takes kGroup codes of an input row, times as many of an output, added up.
#if HWY_TARGET <= HWY_AVX3_DL
// Bytes: inputs are unsigned, kZero above what they stand for, weights are signed.
using Code = std::uint8_t;
using WeightCode = std::int8_t;
using Operand = hn::Vec<hn::ScalableTag<std::int8_t>>;
constexpr std::size_t kGroup = 4;
constexpr std::int32_t kLargest = 127, kZero = 128;

HWY_INLINE Operand load_input(const Code* x) { return hn::BitCast(hn::ScalableTag<std::int8_t>(), broadcast_lane(x)); }
HWY_INLINE Operand load_weights(const WeightCode* w) { return hn::LoadU(hn::ScalableTag<std::int8_t>(), w); }
HWY_INLINE void multiply_add(Operand x, Operand w, Sums& sums) {
  auto sum = sums.raw;
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x.raw), "v"(w.raw));  // Highway has no name for it
  sums.raw = sum;
}
#else
// 16 bits: sums of a run have room for inputs of 15 and a sign.
using Code = std::int16_t;
using WeightCode = std::int16_t;
using Operand = Pairs;
constexpr std::size_t kGroup = kPair;
constexpr std::int32_t kLargest = std::numeric_limits<std::int32_t>::max() / (128 * static_cast<std::int32_t>(kRun));
constexpr std::int32_t kZero = 0;

HWY_INLINE Operand load_input(const Code* x) { return broadcast_pair(x); }
HWY_INLINE Operand load_weights(const WeightCode* w) { return load_pairs(w); }
#endif

constexpr std::size_t whole_groups(std::size_t count) { return (count + kGroup - 1) / kGroup * kGroup; }

// A register tile is kTileRows rows by kTileOutputs outputs: as many sums as leave room for weights and an input.
constexpr std::size_t kLanes = hn::MaxLanes(Int32());
constexpr std::size_t kTileOutputs = kLanes > 8 ? 32 : 16;
constexpr std::size_t kVectors = kTileOutputs / kLanes;
constexpr std::size_t kTileRows = kLanes > 8 ? 12 : 6;

// Rounds a run of `count` inputs to codes, to whole groups of them. Returns what a code stands for.
HWY_INLINE float encode_run(const float* HWY_RESTRICT x, std::size_t count, Code* HWY_RESTRICT codes) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> bits;
  const hn::Rebind<Code, Floats> narrow;
  const std::size_t lanes = hn::Lanes(d), padded = whole_groups(count);
  // The largest magnitude as bits, among which infinities and NaNs are the largest of all.
  auto top = hn::Zero(bits);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    top = hn::Max(top, hn::And(hn::BitCast(bits, hn::LoadU(d, x + i)), hn::Set(bits, 0x7FFFFFFFU)));
  }
  auto most = std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(bits, top)));
  for (; i < count; ++i) {
    if (std::isfinite(most) && !(std::abs(x[i]) <= most)) most = std::abs(x[i]);
  }
  if (!(most > 1e-30F) || !std::isfinite(most)) {  // too small to have an inverse, or no number
    std::fill_n(codes, padded, static_cast<Code>(kZero));
    return std::isfinite(most) ? 0.0F : std::numeric_limits<float>::quiet_NaN();
  }
  constexpr auto kLimit = static_cast<float>(kLargest);
  const float inverse = kLimit / most;
  for (i = 0; i + lanes <= count; i += lanes) {
    const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, inverse)));
    hn::StoreU(hn::DemoteTo(narrow, hn::Add(rounded, hn::Set(Int32(), kZero))), narrow, codes + i);
  }
  for (; i < count; ++i) {
    codes[i] = static_cast<Code>(static_cast<std::int32_t>(std::nearbyint(x[i] * inverse)) + kZero);
  }
  std::fill(codes + count, codes + padded, static_cast<Code>(kZero));
  return most / kLimit;
}

// Inputs of run number `run`.
std::size_t depth_of(const EncodedRows& rows, std::size_t run) { return std::min(kRun, rows.inputs - run * kRun); }

// Rounds row number `row` of the encoded ones from `x`. `rotated` has room for a row.
void encode_row(const float* x, const EncodedRows& rows, std::size_t row, float* rotated) {
  if (rows.rotation > 1) {
    std::copy_n(x, rows.inputs, rotated);
    rotate(rotated, rows.inputs, rows.rotation);
    x = rotated;
  }
  for (std::size_t run = 0; run < rows.runs; ++run) {
    auto* codes = static_cast<Code*>(rows.codes) + (run * rows.rows + row) * rows.stride;
    rows.scales[row * rows.runs + run] = encode_run(x + run * kRun, depth_of(rows, run), codes);
  }
}

std::int32_t largest_code() { return kLargest; }

// Four rows of codes, `stride` apart, to panels: target[group][row], as far as whole vectors go. Returns how far.
HWY_INLINE std::size_t pack_four(const std::int8_t* HWY_RESTRICT rows, std::size_t stride, std::size_t depth,
                                 WeightCode* HWY_RESTRICT target) {
  std::size_t k = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  const hn::CappedTag<std::int32_t, 4> groups;
  const hn::CappedTag<std::int64_t, 2> pairs;
  const hn::CappedTag<WeightCode, 16 / sizeof(WeightCode)> codes;
  const hn::CappedTag<std::int8_t, 16 / sizeof(WeightCode)> bytes;
  const auto load = [&](const std::int8_t* row) HWY_ATTR {
#if HWY_TARGET <= HWY_AVX3_DL
    return hn::BitCast(groups, hn::LoadU(bytes, row));
#else
    return hn::BitCast(groups, hn::PromoteTo(codes, hn::LoadU(bytes, row)));
#endif
  };
  const auto store = [&](auto row, std::size_t group)
                         HWY_ATTR { hn::StoreU(hn::BitCast(codes, row), codes, target + group * kPanel * kGroup); };
  for (; k + 4 * kGroup <= depth; k += 4 * kGroup) {
    const auto a = load(rows + k), b = load(rows + stride + k);
    const auto c = load(rows + 2 * stride + k), e = load(rows + 3 * stride + k);
    const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(groups, a, b));
    const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(groups, a, b));
    const auto ce_low = hn::BitCast(pairs, hn::InterleaveLower(groups, c, e));
    const auto ce_high = hn::BitCast(pairs, hn::InterleaveUpper(groups, c, e));
    store(hn::InterleaveLower(pairs, ab_low, ce_low), k / kGroup);
    store(hn::InterleaveUpper(pairs, ab_low, ce_low), k / kGroup + 1);
    store(hn::InterleaveLower(pairs, ab_high, ce_high), k / kGroup + 2);
    store(hn::InterleaveUpper(pairs, ab_high, ce_high), k / kGroup + 3);
  }
#else
  static_cast<void>(rows), static_cast<void>(stride), static_cast<void>(depth), static_cast<void>(target);
#endif
  return k;
}

// A run of the slab's inputs as panels [slab][kRun / kGroup][kPanel][kGroup]. Outputs that there are not, and inputs up
// to whole groups, are zeros.
void pack_weights(const Int8Task& task, std::size_t run, WeightCode* panels) {
  const std::size_t depth = depth_of(task.rows, run), padded = whole_groups(depth);
  const std::size_t stride = task.rows.inputs;
  const std::size_t outputs = (task.width + kTileOutputs - 1) / kTileOutputs * kTileOutputs;
  constexpr std::size_t kAhead = 8, kCacheLine = 64;
  for (std::size_t n = 0; n < outputs; n += 4) {
    const std::int8_t* rows = task.codes + (task.column + n) * stride + run * kRun;
    WeightCode* target = panels + n / kPanel * kRun * kPanel + n % kPanel * kGroup;
    // Rows are too short for the processor to see a pattern in them: it is told.
    for (std::size_t ahead = kAhead; ahead < kAhead + 4 && n + ahead < task.width; ++ahead) {
      for (std::size_t line = 0; line < depth; line += kCacheLine) hwy::Prefetch(rows + ahead * stride + line);
    }
    std::size_t i = n + 4 <= task.width ? pack_four(rows, stride, depth, target) : 0;
    for (; i < padded; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        const bool present = n + j < task.width && i < depth;
        const int code = present ? rows[j * stride + i] : 0;
        target[i / kGroup * kGroup * kPanel + j * kGroup + i % kGroup] = static_cast<WeightCode>(code);
      }
    }
  }
}

// sums[row][0..kTileOutputs - 1] += scales[row] * (codes of Rows rows times panels of weights - offsets), `depth` of
// them, a multiple of kGroup.
template <std::size_t Rows>
HWY_INLINE void add_tile(const Code* HWY_RESTRICT x, std::size_t stride, const WeightCode* HWY_RESTRICT panels,
                         std::size_t depth, const std::int32_t* HWY_RESTRICT offsets, const float* HWY_RESTRICT scales,
                         std::size_t scale_stride, float* HWY_RESTRICT sums) {
  const Int32 d;
  const Floats floats;
  const auto place = [](std::size_t v) { return v * kLanes / kPanel * kRun * kPanel + v * kLanes % kPanel * kGroup; };
  Sums tile[Rows][kVectors];
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) tile[r][v] = hn::Zero(d);
  }
  for (std::size_t k = 0; k < depth; k += kGroup) {
    Operand weights[kVectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) weights[v] = load_weights(panels + k * kPanel + place(v));
    HWY_UNROLL(12)
    for (std::size_t r = 0; r < Rows; ++r) {
      const Operand input = load_input(x + r * stride + k);
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) multiply_add(input, weights[v], tile[r][v]);
    }
  }
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < Rows; ++r) {
    const auto scale = hn::Set(floats, scales[r * scale_stride]);
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      float* target = sums + r * kSlab + v * kLanes;
      const auto exact = hn::ConvertTo(floats, hn::Sub(tile[r][v], hn::Load(d, offsets + v * kLanes)));
      hn::StoreU(hn::MulAdd(exact, scale, hn::LoadU(floats, target)), floats, target);
    }
  }
}

// What kZero of the inputs' codes adds to the sums of a tile.
HWY_INLINE void sum_offsets(const WeightCode* panels, std::size_t depth, std::int32_t* offsets) {
  std::fill_n(offsets, kTileOutputs, 0);
  if (kZero == 0) return;
  for (std::size_t n = 0; n < kTileOutputs; ++n) {
    const WeightCode* output = panels + n / kPanel * kRun * kPanel + n % kPanel * kGroup;
    for (std::size_t k = 0; k < depth; k += kGroup) {
      for (std::size_t g = 0; g < kGroup; ++g) offsets[n] += kZero * output[k * kPanel + g];
    }
  }
}

// sums = rows first .. first + count - 1 times the slab.
void multiply_block(const Int8Task& task, std::size_t first, std::size_t count, const Scratch& scratch) {
  const std::size_t stride = task.rows.stride, runs = task.rows.runs;
  std::fill_n(scratch.sums, count * kSlab, 0.0F);
  for (std::size_t run = 0; run < runs; ++run) {
    const std::size_t depth = whole_groups(depth_of(task.rows, run));
    const WeightCode* weights = static_cast<const WeightCode*>(scratch.weights) + run * kSlab * kRun;
    const Code* x = static_cast<const Code*>(task.rows.codes) + (run * task.rows.rows + first) * stride;
    const float* scales = task.rows.scales + first * runs + run;
    for (std::size_t n = 0; n < task.width; n += kTileOutputs) {
      const auto add = [&](auto rows, std::size_t row) HWY_ATTR {
        add_tile<decltype(rows)::value>(x + row * stride, stride, weights + n * kRun, depth,
                                        scratch.offsets + run * kSlab + n, scales + row * runs, runs,
                                        scratch.sums + row * kSlab + n);
      };
      std::size_t row = 0;
      for (; row + kTileRows <= count; row += kTileRows) add(std::integral_constant<std::size_t, kTileRows>(), row);
      for (; row < count; ++row) add(std::integral_constant<std::size_t, 1>(), row);
    }
  }
}

void multiply_slab(const Int8Task& task, const Epilogue& epilogue, const Scratch& scratch) {
  for (std::size_t run = 0; run < task.rows.runs; ++run) {
    auto* weights = static_cast<WeightCode*>(scratch.weights) + run * kSlab * kRun;
    pack_weights(task, run, weights);
    for (std::size_t n = 0; n < task.width; n += kTileOutputs) {
      sum_offsets(weights + n * kRun, whole_groups(depth_of(task.rows, run)), scratch.offsets + run * kSlab + n);
    }
  }
  const std::size_t end = task.first_row + task.count;
  for (std::size_t first = task.first_row; first < end; first += kBlock) {
    const std::size_t count = std::min(kBlock, end - first);
    multiply_block(task, first, count, scratch);
    for (std::size_t row = first; row < first + count; ++row) {
      float* values = scratch.sums + (row - first) * kSlab;
      for (std::size_t n = 0; n < task.width; ++n) values[n] *= task.scales[task.column + n];
      const float* gate = epilogue.gate_of(static_cast<std::int64_t>(row), static_cast<std::int64_t>(task.rows.rows));
      finish_row(values, task.column, task.width, epilogue, gate, task.y.at(row, task.column));
    }
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

constexpr std::int64_t kHeight{kRows}, kWidth{kSlab}, kBytes{kCodeBytes}, kLength{kRun};

// Elements from row to row of a run.
std::int64_t row_stride(std::int64_t inputs) { return std::min(ceil_divide(inputs, 64) * 64, kLength); }

}  // namespace

std::int64_t rounded_input_bytes(std::int64_t rows, std::int64_t inputs) {
  return rows * ceil_divide(inputs, kLength) * (row_stride(inputs) * kBytes + std::int64_t{sizeof(float)});
}

std::int64_t largest_input_code() { return HWY_DYNAMIC_DISPATCH(largest_code)(); }

void int8_matmul(View<const float> x, const Int8Weight& weight, const Epilogue& epilogue, View<float> y) {
  const std::int64_t rows = x.size(0), inputs = x.size(1), outputs = y.size(1), runs = ceil_divide(inputs, kLength);
  const std::int64_t stride = row_stride(inputs);
  Tensor codes(DType::u8, {rows * runs * stride * kBytes}, MemoryKind::activations);
  Tensor scales(DType::f32, {rows, runs}, MemoryKind::activations);
  Tensor rotated(DType::f32, {threads(), weight.rotation > 1 ? inputs : 1}, MemoryKind::other);
  const View<float> rotated_rows = rotated.view<float>();
  const EncodedRows encoded{.codes = codes.mutable_raw(),
                            .rows = static_cast<std::size_t>(rows),
                            .stride = static_cast<std::size_t>(stride),
                            .scales = scales.view<float>().data(),
                            .inputs = static_cast<std::size_t>(inputs),
                            .runs = static_cast<std::size_t>(runs),
                            .rotation = static_cast<std::size_t>(weight.rotation)};
  parallel_for_static(rows, [&](std::int64_t row, int worker) {
    HWY_DYNAMIC_DISPATCH(encode_row)
    (x.at(row, 0), encoded, static_cast<std::size_t>(row), rotated_rows.at(worker, 0));
  });

  const std::int64_t slabs = ceil_divide(outputs, kWidth),
                     height = task_rows(rows, slabs, kHeight, std::int64_t{kBlock});
  Tensor weights(DType::u8, {threads(), runs * kWidth * kLength * kBytes}, MemoryKind::other);
  Tensor offsets(DType::i32, {threads(), runs * kWidth}, MemoryKind::other);
  Tensor sums(DType::f32, {threads(), std::int64_t{kBlock} * kWidth}, MemoryKind::other);
  parallel_for(ceil_divide(rows, height) * slabs, [&](std::int64_t index, int worker) {
    const std::int64_t row = index / slabs * height, column = index % slabs * kWidth;
    const std::int64_t end = std::min(rows, row + height);
    const Int8Task task{.rows = encoded,
                        .first_row = static_cast<std::size_t>(row),
                        .count = static_cast<std::size_t>(end - row),
                        .column = static_cast<std::size_t>(column),
                        .width = static_cast<std::size_t>(std::min(kWidth, outputs - column)),
                        .codes = weight.codes.view<std::int8_t>().data(),
                        .scales = weight.scales.view<float>().data(),
                        .y = y};
    HWY_DYNAMIC_DISPATCH(multiply_slab)
    (task, epilogue,
     {.weights = weights.view<std::uint8_t>().at(worker, 0),
      .offsets = offsets.view<std::int32_t>().at(worker, 0),
      .sums = sums.view<float>().at(worker, 0)});
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
