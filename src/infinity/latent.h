// Between the transformer's tokens and the VAE's latent map. They are the same cells, except with patchify, where a
// token is 2x2 latent cells.
#pragma once

#include "base/map_size.h"
#include "model/infinity_config.h"
#include "runtime/tensor.h"

namespace scalekv::infinity {

// Bits of a latent cell.
std::int64_t codebook(const model::InfinityConfig& config);
// The latent map's size for a token map.
MapSize latent_size(const model::InfinityConfig& config, MapSize map);

// The latent sum [H, W, codebook], resampled to the map: tokens [L, bits], the input of the word embedding.
void latent_to_tokens(const model::InfinityConfig& config, View<const float> latent, MapSize map, View<float> tokens);

// Sampled bits [L, bits] -> [h, w, codebook] at latent resolution.
Tensor token_bits_to_latent(const model::InfinityConfig& config, View<const std::uint8_t> bits, MapSize map);

// Adds the codes of bits [h, w, codebook], resampled to the latent sum's size, to the sum.
void add_bits(View<const std::uint8_t> bits, View<float> latent);

}  // namespace scalekv::infinity
