// The rotation that spreads outliers over many columns before they are rounded, included once per instruction set.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_ROTATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_ROTATION_INL_H_
#undef SCALEKV_KERNELS_ROTATION_INL_H_
#else
#define SCALEKV_KERNELS_ROTATION_INL_H_
#endif

#include <hwy/highway.h>

#include <bit>
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

// (-1)^(b0 b1 + b2 b3 + ...) of the bits of `index` is -1. This is a bent function: a row of equal numbers, which the
// Walsh-Hadamard matrix alone would heap onto one, comes out evenly spread. So does the mean of what follows a GELU.
HWY_INLINE bool changes_sign(std::size_t index) {
  constexpr std::size_t kEvenBits = 0x5555555555555555U;
  return std::popcount(index & (index >> 1U) & kEvenBits) % 2 != 0;
}

// row, as [count / (4 length)][length][4]: along its middle the signs above, then the orthonormal Walsh-Hadamard matrix
// of size `length`, a power of two. The rows of inputs and weights go through the same, so that their products stay.
HWY_INLINE void rotate(float* row, std::size_t count, std::size_t length) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> wide;
  const hn::CappedTag<float, 4> narrow;
  const float factor = 1.0F / std::sqrt(static_cast<float>(length));
  for (std::size_t i = 0; i < count; i += 4) {
    const auto signed_factor = hn::Set(narrow, changes_sign((i / 4) & (length - 1)) ? -factor : factor);
    for (std::size_t j = i; j < i + 4; j += hn::Lanes(narrow)) {
      hn::StoreU(hn::Mul(hn::LoadU(narrow, row + j), signed_factor), narrow, row + j);
    }
  }
  for (std::size_t stride = 4; stride < 4 * length; stride *= 2) {
    if (stride < hn::Lanes(wide)) {
      butterflies(narrow, row, count, stride);
    } else {
      butterflies(wide, row, count, stride);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
