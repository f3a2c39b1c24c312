// Products of small integers, summed in 32 bits, for register tiles; included once per instruction set, after
// kernels/simd_targets.h.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_INTEGER_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_INTEGER_PRODUCTS_INL_H_
#undef SCALEKV_KERNELS_INTEGER_PRODUCTS_INL_H_
#else
#define SCALEKV_KERNELS_INTEGER_PRODUCTS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

using Int32 = hwy::HWY_NAMESPACE::ScalableTag<std::int32_t>;
using Sums = hwy::HWY_NAMESPACE::Vec<Int32>;

// The bytes of one lane, in all lanes.
HWY_INLINE Sums broadcast_lane(const void* bytes) {
  std::int32_t lane;
  std::memcpy(&lane, bytes, sizeof lane);
  return hwy::HWY_NAMESPACE::Set(Int32(), lane);
}

// A lane of the sums takes kPair integers of 16 bits times as many others. The products are written in instructions,
// because compilers spill the sums of a tile when they order these themselves.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
constexpr std::size_t kPair = 2;
using Pairs = hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::ScalableTag<std::int16_t>>;

// One pair, in all lanes.
HWY_INLINE Pairs broadcast_pair(const std::int16_t* pair) {
  return hwy::HWY_NAMESPACE::BitCast(hwy::HWY_NAMESPACE::ScalableTag<std::int16_t>(), broadcast_lane(pair));
}

// A pair for each lane, side by side.
HWY_INLINE Pairs load_pairs(const std::int16_t* pairs) {
  return hwy::HWY_NAMESPACE::LoadU(hwy::HWY_NAMESPACE::ScalableTag<std::int16_t>(), pairs);
}

HWY_INLINE void multiply_add(Pairs a, Pairs b, Sums& sums) {
  auto sum = sums.raw;
  decltype(sum) products;
  asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(sum), "=&v"(products) : "v"(a.raw), "v"(b.raw));
  sums.raw = sum;
}
#else
constexpr std::size_t kPair = 1;
using Pairs = Sums;

HWY_INLINE Pairs broadcast_pair(const std::int16_t* pair) {
  return hwy::HWY_NAMESPACE::Set(Int32(), static_cast<std::int32_t>(*pair));
}

HWY_INLINE Pairs load_pairs(const std::int16_t* pairs) {
  namespace hn = hwy::HWY_NAMESPACE;
  return hn::PromoteTo(Int32(), hn::LoadU(hn::Rebind<std::int16_t, Int32>(), pairs));
}

HWY_INLINE void multiply_add(Pairs a, Pairs b, Sums& sums) {
  sums = hwy::HWY_NAMESPACE::Add(sums, hwy::HWY_NAMESPACE::Mul(a, b));
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
