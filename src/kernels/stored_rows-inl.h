// Stored rows to floats, included once per instruction set.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_STORED_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_STORED_ROWS_INL_H_
#undef SCALEKV_KERNELS_STORED_ROWS_INL_H_
#else
#define SCALEKV_KERNELS_STORED_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/stored_rows.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

// Vectors of a row's floats from channel c on, whatever it is stored as.
struct FloatRow {
  const float* row;
  template <class D>
  HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load(D d, std::size_t c) const {
    return hwy::HWY_NAMESPACE::LoadU(d, row + c);
  }
  float at(std::size_t c) const { return row[c]; }
};

struct BFloat16Row {
  const std::uint16_t* row;
  template <class D>
  HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load(D d, std::size_t c) const {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::Rebind<std::uint16_t, D> d16;
    const hn::Rebind<std::uint32_t, D> d32;
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, row + c))));
  }
  float at(std::size_t c) const { return to_float(BFloat16{row[c]}); }
};

struct CodeRow {
  const std::uint8_t* row;
  const float* steps;
  const float* bases;
  template <class D>
  HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load(D d, std::size_t c) const {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::Rebind<std::uint8_t, D> d8;
    const hn::Rebind<std::int32_t, D> d32;
    const auto code = hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, row + c)));
    return hn::MulAdd(code, hn::LoadU(d, steps + c), hn::LoadU(d, bases + c));
  }
  float at(std::size_t c) const { return static_cast<float>(row[c]) * steps[c] + bases[c]; }
};

// Calls body(r, row r as one of the above) for `count` rows.
template <class Body>
HWY_INLINE void for_rows(const RowSource& source, std::size_t count, const Body& body) {
  const auto offset = [&](std::size_t r) { return static_cast<std::int64_t>(r) * source.stride; };
  if (source.precision == KvPrecision::f32) {
    const auto* floats = static_cast<const float*>(source.rows);
    for (std::size_t r = 0; r < count; ++r) body(r, FloatRow{floats + offset(r)});
  } else if (source.precision == KvPrecision::bf16) {
    const auto* halves = static_cast<const std::uint16_t*>(source.rows);
    for (std::size_t r = 0; r < count; ++r) body(r, BFloat16Row{halves + offset(r)});
  } else {
    const auto* codes = static_cast<const std::uint8_t*>(source.rows);
    for (std::size_t r = 0; r < count; ++r) body(r, CodeRow{codes + offset(r), source.steps, source.bases});
  }
}

// `count` rows of `size` elements become rows of floats, `width` apart, filled up with zeros.
HWY_INLINE void rows_to_floats(const RowSource& source, std::size_t count, std::size_t size, std::size_t width,
                               float* HWY_RESTRICT out) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  for_rows(source, count, [&](std::size_t r, const auto& row) {
    float* HWY_RESTRICT target = out + r * width;
    std::size_t c = 0;
    for (; c + lanes <= size; c += lanes) hn::StoreU(row.load(d, c), d, target + c);
    for (; c < size; ++c) target[c] = row.at(c);
    std::fill(target + size, target + width, 0.0F);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
