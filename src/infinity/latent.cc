#include "infinity/latent.h"

#include <algorithm>

#include "kernels/resample.h"
#include "vae/quantizer.h"

namespace scalekv::infinity {

std::int64_t codebook(const model::InfinityConfig& config) { return config.patchify ? config.bits / 4 : config.bits; }

MapSize latent_size(const model::InfinityConfig& config, MapSize map) {
  return config.patchify ? MapSize{2 * map.height, 2 * map.width} : map;
}

void latent_to_tokens(const model::InfinityConfig& config, View<const float> latent, MapSize map, View<float> tokens) {
  const View<float> token_map = tokens.reshape({map.height, map.width, config.bits});
  if (!config.patchify) {
    kernels::resample_linear(latent, token_map);
    return;
  }
  const MapSize cells = latent_size(config, map);
  Tensor resampled(DType::f32, {cells.height, cells.width, codebook(config)}, MemoryKind::activations);
  kernels::resample_linear(latent, resampled.view<float>());
  kernels::pixel_unshuffle_2x(resampled.view<float>(), token_map);  // [2h, 2w, d] -> [h, w, 4d]
}

Tensor token_bits_to_latent(const model::InfinityConfig& config, View<const std::uint8_t> bits, MapSize map) {
  const MapSize cells = latent_size(config, map);
  const std::int64_t d = codebook(config);
  Tensor latent(DType::u8, {cells.height, cells.width, d}, MemoryKind::activations);
  const View<std::uint8_t> target = latent.view<std::uint8_t>();
  if (!config.patchify) {
    std::copy_n(bits.data(), bits.elements(), target.data());
    return latent;
  }
  // Bit 4c + 2i + j of a token is bit c of cell (2y + i, 2x + j).
  for (std::int64_t y = 0; y < cells.height; ++y) {
    for (std::int64_t x = 0; x < cells.width; ++x) {
      const std::int64_t token = (y / 2) * map.width + x / 2;
      for (std::int64_t c = 0; c < d; ++c) target(y, x, c) = bits(token, 4 * c + 2 * (y % 2) + x % 2);
    }
  }
  return latent;
}

void add_bits(View<const std::uint8_t> bits, View<float> latent) {
  Tensor codes(DType::f32, bits.shape(), MemoryKind::activations);
  vae::bits_to_codes(bits, codes.view<float>());
  vae::accumulate_codes(codes.view<float>(), latent);
}

}  // namespace scalekv::infinity
