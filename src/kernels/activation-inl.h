// Activations for vectors, included once per instruction set.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_ACTIVATION_INL_H_
#undef SCALEKV_KERNELS_ACTIVATION_INL_H_
#else
#define SCALEKV_KERNELS_ACTIVATION_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/fast_exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

// x sigmoid(u), which is 0 where exp(-u) has no float.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V times_sigmoid(D d, V x, V u) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V value = hn::Div(x, hn::Add(hn::Set(d, 1.0F), fast_exp(d, hn::Neg(u))));
  return hn::IfThenZeroElse(hn::Lt(u, hn::Set(d, -88.0F)), value);
}

// x sigmoid(x)
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V silu(D d, V x) {
  return times_sigmoid(d, x, x);
}

// 0.5 x (1 + tanh(u)) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V gelu_tanh(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V twice_root = hn::Set(d, 1.5957691216F);  // 2 sqrt(2 / pi)
  const V cubic = hn::Mul(hn::Mul(hn::Set(d, 0.044715F), hn::Mul(x, x)), x);
  const V u = hn::Mul(twice_root, hn::Add(x, cubic));
  return times_sigmoid(d, x, u);
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
