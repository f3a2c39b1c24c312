// Scores of a tile of queries against a packed block of keys, included once per instruction set, after
// kernels/simd_targets.h.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_ATTENTION_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_ATTENTION_SCORES_INL_H_
#undef SCALEKV_KERNELS_ATTENTION_SCORES_INL_H_
#else
#define SCALEKV_KERNELS_ATTENTION_SCORES_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/integer_products-inl.h"
#include "kernels/stored_rows.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

using Floats = hwy::HWY_NAMESPACE::ScalableTag<float>;
using Vector = hwy::HWY_NAMESPACE::Vec<Floats>;

// Queries lie across the lanes: a tile works on two vectors of queries, so that maxima and sums over the keys need no
// horizontal steps and a query's arithmetic does not depend on its neighbours. Lanes without a query hold zeros.
constexpr std::size_t kLanes = hwy::HWY_NAMESPACE::MaxLanes(Floats());
constexpr std::size_t kTileQueries = 2 * kLanes;
constexpr std::size_t kTileKeys = HWY_TARGET <= HWY_AVX3 ? 12 : 6;  // of a register tile

// Head size rounded up to whole vectors: rows of packed keys, values and outputs are this long.
constexpr std::size_t padded(std::size_t size) { return (size + kLanes - 1) / kLanes * kLanes; }

// scores[key][query] = q . k for Keys keys, rows `width` apart. queries: [size][kTileQueries].
template <std::size_t Keys>
HWY_INLINE void score_tile(const float* HWY_RESTRICT queries, const float* HWY_RESTRICT keys, std::size_t width,
                           std::size_t size, float* HWY_RESTRICT scores) {
  namespace hn = hwy::HWY_NAMESPACE;
  const Floats d;
  Vector low[Keys], high[Keys];
  HWY_UNROLL(12)
  for (std::size_t k = 0; k < Keys; ++k) low[k] = high[k] = hn::Zero(d);
  for (std::size_t c = 0; c < size; ++c) {
    const Vector q0 = hn::Load(d, queries + c * kTileQueries);
    const Vector q1 = hn::Load(d, queries + c * kTileQueries + kLanes);
    HWY_UNROLL(12)
    for (std::size_t k = 0; k < Keys; ++k) {
      const Vector key = hn::Set(d, keys[k * width + c]);
      low[k] = hn::MulAdd(key, q0, low[k]);
      high[k] = hn::MulAdd(key, q1, high[k]);
    }
  }
  HWY_UNROLL(12)
  for (std::size_t k = 0; k < Keys; ++k) {
    hn::Store(low[k], d, scores + k * kTileQueries);
    hn::Store(high[k], d, scores + k * kTileQueries + kLanes);
  }
}

// A tile of queries rounded to 16 bits for keys on a grid: their score with the key of codes u is
// scales * sum(codes * (u - 128)) + constants. The grid's steps are multiplied into the queries before.
struct IntegerQueries {
  std::int16_t* codes = nullptr;  // [ceil(size / kPair)][kTileQueries][kPair]
  float* scales = nullptr;        // [kTileQueries]
  float* constants = nullptr;     // [kTileQueries]
};
constexpr float kMiddleCode = 128.0F;

// queries: [size][kTileQueries]. Sums over 256 channels fit in 32 bits.
HWY_INLINE void round_queries(const float* HWY_RESTRICT queries, std::size_t size, GridFloats grid,
                              const IntegerQueries& out) {
  namespace hn = hwy::HWY_NAMESPACE;
  const Floats d;
  const Int32 integers;
  constexpr float kLargest = 32767.0F;
  for (std::size_t v = 0; v < kTileQueries; v += kLanes) {
    const auto query = [&](std::size_t c) HWY_ATTR { return hn::Load(d, queries + c * kTileQueries + v); };
    Vector top = hn::Zero(d), constant = hn::Zero(d);
    for (std::size_t c = 0; c < size; ++c) {
      top = hn::Max(top, hn::Abs(hn::Mul(query(c), hn::Set(d, grid.steps[c]))));
      constant = hn::MulAdd(query(c), hn::Set(d, grid.steps[c] * kMiddleCode + grid.bases[c]), constant);
    }
    const Vector inverse = hn::IfThenElseZero(hn::Gt(top, hn::Set(d, 1e-30F)), hn::Div(hn::Set(d, kLargest), top));
    const auto code = [&](std::size_t c) HWY_ATTR {
      if (c >= size) return hn::Zero(integers);
      return hn::NearestInt(hn::Mul(hn::Mul(query(c), hn::Set(d, grid.steps[c])), inverse));
    };
    for (std::size_t c = 0; c < size; c += kPair) {
      std::int16_t* target = out.codes + c * kTileQueries + v * kPair;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
      const auto lower = hn::And(code(c), hn::Set(integers, 0xFFFF));
      const auto both = hn::Or(lower, hn::ShiftLeft<16>(code(c + 1)));
      hn::StoreU(hn::BitCast(hn::ScalableTag<std::int16_t>(), both), hn::ScalableTag<std::int16_t>(), target);
#else
      const hn::Rebind<std::int16_t, Int32> narrow;
      hn::StoreU(hn::DemoteTo(narrow, code(c)), narrow, target);
#endif
    }
    hn::Store(hn::Mul(top, hn::Set(d, 1.0F / kLargest)), d, out.scales + v);
    hn::Store(constant, d, out.constants + v);
  }
}

// Rows of key codes, `stride` apart, become u - 128, rows `width` apart, filled up with zeros.
HWY_INLINE void pack_key_codes(const std::uint8_t* HWY_RESTRICT rows, std::int64_t stride, std::size_t count,
                               std::size_t size, std::size_t width, std::int16_t* HWY_RESTRICT out) {
  for (std::size_t r = 0; r < count; ++r) {
    const std::uint8_t* HWY_RESTRICT row = rows + static_cast<std::int64_t>(r) * stride;
    std::int16_t* HWY_RESTRICT target = out + r * width;
    for (std::size_t c = 0; c < size; ++c) target[c] = static_cast<std::int16_t>(static_cast<int>(row[c]) - 128);
    std::fill(target + size, target + width, std::int16_t{0});
  }
}

template <std::size_t Keys>
HWY_INLINE void score_tile(const IntegerQueries& queries, const std::int16_t* HWY_RESTRICT keys, std::size_t width,
                           std::size_t size, float* HWY_RESTRICT scores) {
  namespace hn = hwy::HWY_NAMESPACE;
  const Floats d;
  Sums low[Keys], high[Keys];
  HWY_UNROLL(12)
  for (std::size_t k = 0; k < Keys; ++k) low[k] = high[k] = hn::Zero(Int32());
  for (std::size_t c = 0; c < size; c += kPair) {
    const Pairs q0 = load_pairs(queries.codes + c * kTileQueries);
    const Pairs q1 = load_pairs(queries.codes + c * kTileQueries + kLanes * kPair);
    HWY_UNROLL(12)
    for (std::size_t k = 0; k < Keys; ++k) {
      const Pairs key = broadcast_pair(keys + k * width + c);
      multiply_add(key, q0, low[k]);
      multiply_add(key, q1, high[k]);
    }
  }
  const auto finish = [&](Sums sum, std::size_t v) HWY_ATTR {
    return hn::MulAdd(hn::ConvertTo(d, sum), hn::Load(d, queries.scales + v), hn::Load(d, queries.constants + v));
  };
  HWY_UNROLL(12)
  for (std::size_t k = 0; k < Keys; ++k) {
    hn::Store(finish(low[k], 0), d, scores + k * kTileQueries);
    hn::Store(finish(high[k], kLanes), d, scores + k * kTileQueries + kLanes);
  }
}

// Scores of a packed block of keys, floats or codes: scores[key][query].
template <class Queries, class Key>
HWY_INLINE void score_block(const Queries& queries, const Key* keys, std::size_t count, std::size_t size,
                            float* scores) {
  const std::size_t width = padded(size);
  std::size_t k = 0;
  for (; k + kTileKeys <= count; k += kTileKeys) {
    score_tile<kTileKeys>(queries, keys + k * width, width, size, scores + k * kTileQueries);
  }
  for (; k < count; ++k) score_tile<1>(queries, keys + k * width, width, size, scores + k * kTileQueries);
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
