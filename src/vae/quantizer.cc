#include "vae/quantizer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/resample.h"

namespace scalekv::vae {

void bits_to_codes(View<const std::uint8_t> bits, View<float> codes) {
  SCALEKV_ASSERT(bits.shape() == codes.shape() && bits.contiguous() && codes.contiguous());
  const float unit = 1.0F / std::sqrt(static_cast<float>(bits.size(bits.rank() - 1)));
  for (std::int64_t i = 0; i < bits.elements(); ++i) codes.data()[i] = bits.data()[i] != 0 ? unit : -unit;
}

void accumulate_codes(View<const float> codes, View<float> sum) {
  SCALEKV_ASSERT(codes.rank() == 3 && sum.rank() == 3 && codes.size(2) == sum.size(2));
  if (codes.shape() == sum.shape()) {
    for (std::int64_t i = 0; i < codes.elements(); ++i) sum.data()[i] += codes.data()[i];
  } else {
    kernels::resample_linear(codes, sum, true);
  }
}

Quantized quantize(View<const float> features, std::span<const MapSize> scales, bool keep_residuals) {
  const std::int64_t depth = features.size(2);
  if (scales.empty() || scales.back() != MapSize{features.size(0), features.size(1)}) {
    fail("the last scale must be the latent map's {} x {}", features.size(0), features.size(1));
  }
  Quantized result;
  result.sum = Tensor::zeros<float>(features.shape(), MemoryKind::vae);
  Tensor residual(DType::f32, features.shape(), MemoryKind::vae);
  std::copy_n(features.data(), features.elements(), residual.view<float>().data());
  Tensor upsampled(DType::f32, features.shape(), MemoryKind::vae);
  for (const MapSize& scale : scales) {
    const Shape shape{scale.height, scale.width, depth};
    Tensor seen(DType::f32, shape, MemoryKind::vae);
    if (shape == features.shape()) {
      std::copy_n(residual.view<float>().data(), residual.elements(), seen.view<float>().data());
    } else {
      kernels::resample_area(residual.view<float>(), seen.view<float>());
    }
    // Normalising to unit length does not change a sign, so the signs are taken as they are.
    Tensor bits(DType::u8, shape, MemoryKind::vae);
    for (std::int64_t i = 0; i < bits.elements(); ++i) {
      bits.view<std::uint8_t>().data()[i] = seen.view<float>().data()[i] > 0.0F ? 1 : 0;
    }
    Tensor codes(DType::f32, shape, MemoryKind::vae);
    bits_to_codes(bits.view<std::uint8_t>(), codes.view<float>());
    upsampled.fill_zero();
    accumulate_codes(codes.view<float>(), upsampled.view<float>());
    const float* step = upsampled.view<float>().data();
    for (std::int64_t i = 0; i < features.elements(); ++i) {
      residual.view<float>().data()[i] -= step[i];
      result.sum.view<float>().data()[i] += step[i];
    }
    result.bits.push_back(std::move(bits));
    if (keep_residuals) result.residuals.push_back(std::move(seen));
  }
  return result;
}

}  // namespace scalekv::vae
