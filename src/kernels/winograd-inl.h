// Winograd's convolution F(4x4, 3x3) for one instruction set (Lavin and Gray, arXiv 1509.09308): 4x4 outputs from 6x6
// inputs by 36 products instead of 144. Included once per instruction set.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_WINOGRAD_INL_H_
#undef SCALEKV_KERNELS_WINOGRAD_INL_H_
#else
#define SCALEKV_KERNELS_WINOGRAD_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

// The polynomials are evaluated at 0, +-a, +-b and infinity with a = 1/sqrt(2), b = sqrt(2): rounding errors are half
// of those at the usual 0, +-1, +-2, and 1.7 times those of a plain sum.
constexpr float kA = 0.70710678F;
constexpr float kB = 1.41421356F;

// One direction of the input: x[0..5] -> y[0..5], `step` apart.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void transform_input(D d, const V* x, V* y, std::size_t step) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V a = hn::Set(d, kA), b = hn::Set(d, kB), middle = hn::Set(d, 2.5F);
  const V even_a = hn::NegMulAdd(hn::Set(d, 2.0F), x[2], x[4]);
  const V even_b = hn::NegMulAdd(hn::Set(d, 0.5F), x[2], x[4]);
  const V odd_a = hn::MulSub(a, x[3], hn::Mul(b, x[1]));
  const V odd_b = hn::MulSub(b, x[3], hn::Mul(a, x[1]));
  y[0] = hn::NegMulAdd(middle, x[2], hn::Add(x[0], x[4]));
  y[step] = hn::Add(even_a, odd_a);
  y[2 * step] = hn::Sub(even_a, odd_a);
  y[3 * step] = hn::Add(even_b, odd_b);
  y[4 * step] = hn::Sub(even_b, odd_b);
  y[5 * step] = hn::NegMulAdd(middle, x[3], hn::Add(x[1], x[5]));
}

// One direction of the weight: w[0..2] -> y[0..5].
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void transform_weight(D d, const V* w, V* y, std::size_t step) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V even_a = hn::Mul(hn::Set(d, -2.0F / 3.0F), hn::MulAdd(hn::Set(d, 0.5F), w[2], w[0]));
  const V even_b = hn::Mul(hn::Set(d, 1.0F / 6.0F), hn::MulAdd(hn::Set(d, 2.0F), w[2], w[0]));
  const V odd_a = hn::Mul(hn::Set(d, -2.0F / 3.0F * kA), w[1]);
  const V odd_b = hn::Mul(hn::Set(d, 1.0F / 6.0F * kB), w[1]);
  y[0] = w[0];
  y[step] = hn::Add(even_a, odd_a);
  y[2 * step] = hn::Sub(even_a, odd_a);
  y[3 * step] = hn::Add(even_b, odd_b);
  y[4 * step] = hn::Sub(even_b, odd_b);
  y[5 * step] = w[2];
}

// One direction of the output: m[0..5] -> y[0..3].
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void transform_output(D d, const V* m, V* y, std::size_t step) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V sum_a = hn::Add(m[1], m[2]), difference_a = hn::Sub(m[1], m[2]);
  const V sum_b = hn::Add(m[3], m[4]), difference_b = hn::Sub(m[3], m[4]);
  y[0] = hn::Add(m[0], hn::Add(sum_a, sum_b));
  y[step] = hn::MulAdd(hn::Set(d, kA), difference_a, hn::Mul(hn::Set(d, kB), difference_b));
  y[2 * step] = hn::MulAdd(hn::Set(d, 0.5F), sum_a, hn::Mul(hn::Set(d, 2.0F), sum_b));
  y[3 * step] = hn::MulAdd(hn::Set(d, 0.5F * kA), difference_a, hn::MulAdd(hn::Set(d, 2.0F * kB), difference_b, m[5]));
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
