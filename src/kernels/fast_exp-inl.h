// exp for vectors, included once per instruction set.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_FAST_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_FAST_EXP_INL_H_
#undef SCALEKV_KERNELS_FAST_EXP_INL_H_
#else
#define SCALEKV_KERNELS_FAST_EXP_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

// exp(x) to about 2 units in the last place for x in [-87, 88]; exp(-87) below, exp(88) above.
// x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by its series to r^6; 2^n by the exponent's bits.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V fast_exp(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  x = hn::Min(hn::Max(x, hn::Set(d, -87.0F)), hn::Set(d, 88.0F));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504F)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4F), r);
  V series = hn::Set(d, 1.0F / 720.0F);
  series = hn::MulAdd(series, r, hn::Set(d, 1.0F / 120.0F));
  series = hn::MulAdd(series, r, hn::Set(d, 1.0F / 24.0F));
  series = hn::MulAdd(series, r, hn::Set(d, 1.0F / 6.0F));
  series = hn::MulAdd(series, r, hn::Set(d, 0.5F));
  series = hn::MulAdd(series, r, hn::Set(d, 1.0F));
  series = hn::MulAdd(series, r, hn::Set(d, 1.0F));
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(series, hn::BitCast(d, exponent));
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
