// Rows times panels of weights in registers, for one instruction set. Included once per instruction set, after
// kernels/simd_targets.h.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_PANEL_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_PANEL_PRODUCT_INL_H_
#undef SCALEKV_KERNELS_PANEL_PRODUCT_INL_H_
#else
#define SCALEKV_KERNELS_PANEL_PRODUCT_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

constexpr std::size_t kPanelWidth = 16;  // outputs of a panel: [inputs][16]

// A register tile is `kTileRows` rows by one panel, or two where a vector fills a panel: 12 to 24 sums.
template <class D>
struct PanelTile {
  static constexpr std::size_t kLanes = hwy::HWY_NAMESPACE::MaxLanes(D());
  static constexpr std::size_t kVectors = kLanes == kPanelWidth ? 2 : kPanelWidth / kLanes;
  static constexpr std::size_t kPanels = kVectors * kLanes / kPanelWidth;
  static constexpr std::size_t kTileRows = kLanes == kPanelWidth ? 12 : 6;
};

// sums[row][0..15 or 31] = or += x[row][0..depth-1] * panels, `panel_stride` floats apart.
template <std::size_t Rows, class D>
HWY_INLINE void multiply_panel_tile(D d, const float* HWY_RESTRICT x, std::size_t stride,
                                    const float* HWY_RESTRICT panels, std::size_t panel_stride, std::size_t depth,
                                    bool add, float* HWY_RESTRICT sums, std::size_t sums_stride) {
  namespace hn = hwy::HWY_NAMESPACE;
  using Vector = hn::Vec<D>;
  using Tile = PanelTile<D>;
  constexpr std::size_t kVectors = Tile::kVectors;
  const auto lane = [](std::size_t v) { return v * Tile::kLanes % kPanelWidth; };
  const auto panel = [&](std::size_t v) { return v * Tile::kLanes / kPanelWidth * panel_stride; };
  Vector tile[Rows][kVectors];
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      tile[r][v] = add ? hn::LoadU(d, sums + r * sums_stride + v * Tile::kLanes) : hn::Zero(d);
    }
  }
  for (std::size_t k = 0; k < depth; ++k) {
    Vector weights[kVectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      weights[v] = hn::LoadU(d, panels + panel(v) + k * kPanelWidth + lane(v));
    }
    HWY_UNROLL(12)
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vector value = hn::Set(d, x[r * stride + k]);
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) tile[r][v] = hn::MulAdd(value, weights[v], tile[r][v]);
    }
  }
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < Rows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(tile[r][v], d, sums + r * sums_stride + v * Tile::kLanes);
  }
}

// sums: [rows][sums_stride], of which 2 * 16 = or += x (rows, inputs) times two panels. Every sum is one chain of
// multiply-adds in the order of the inputs. x and sums hold rows up to the next multiple of 12.
template <class D>
void multiply_two_panels(D d, const float* x, std::size_t stride, std::size_t rows, std::size_t inputs,
                         const float* panels, bool add, float* sums, std::size_t sums_stride) {
  using Tile = PanelTile<D>;
  constexpr std::size_t kDepth = 256;  // inputs whose part of a panel stays in the first-level cache
  for (std::size_t k = 0; k < inputs; k += kDepth) {
    const std::size_t depth = std::min(kDepth, inputs - k);
    for (std::size_t p = 0; p < 2; p += Tile::kPanels) {
      for (std::size_t r = 0; r < rows; r += Tile::kTileRows) {
        multiply_panel_tile<Tile::kTileRows>(d, x + r * stride + k, stride, panels + (p * inputs + k) * kPanelWidth,
                                             inputs * kPanelWidth, depth, add || k > 0,
                                             sums + r * sums_stride + p * kPanelWidth, sums_stride);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
