// The rotation that spreads outliers over many columns before they are rounded, included once per instruction set.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_ROTATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_ROTATION_INL_H_
#undef SCALEKV_KERNELS_ROTATION_INL_H_
#else
#define SCALEKV_KERNELS_ROTATION_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

// (a, b) -> (a + b, a - b) for runs of `stride` floats side by side, over the whole row.
template <class D>
HWY_INLINE void butterflies(D d, float* row, std::size_t count, std::size_t stride) {
  namespace hn = hwy::HWY_NAMESPACE;
  for (std::size_t begin = 0; begin < count; begin += 2 * stride) {
    for (std::size_t i = begin; i < begin + stride; i += hn::Lanes(d)) {
      const auto a = hn::LoadU(d, row + i), b = hn::LoadU(d, row + i + stride);
      hn::StoreU(hn::Add(a, b), d, row + i);
      hn::StoreU(hn::Sub(a, b), d, row + i + stride);
    }
  }
}

// row, as [count / (4 length)][length][4], times the orthonormal Walsh-Hadamard matrix of size `length` (a power of
// two) along its middle; its own inverse.
HWY_INLINE void rotate(float* row, std::size_t count, std::size_t length) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> wide;
  const hn::CappedTag<float, 4> narrow;
  for (std::size_t stride = 4; stride < 4 * length; stride *= 2) {
    if (stride < hn::Lanes(wide)) {
      butterflies(narrow, row, count, stride);
    } else {
      butterflies(wide, row, count, stride);
    }
  }
  const auto factor = hn::Set(narrow, 1.0F / std::sqrt(static_cast<float>(length)));
  for (std::size_t i = 0; i < count; i += hn::Lanes(narrow)) {
    hn::StoreU(hn::Mul(hn::LoadU(narrow, row + i), factor), narrow, row + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
