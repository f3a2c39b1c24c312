// The sizes of Infinity's image tokenizer.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/weight_map.h"

namespace scalekv::vae {

struct VaeConfig {
  std::int64_t codebook = 0;              // bits per latent cell, and channels of the latent map
  std::int64_t base = 0;                  // channels of the finest level
  std::vector<std::int64_t> multipliers;  // channels of level l = base * multipliers[l]
  std::int64_t encoder_blocks = 2;        // residual blocks a level
  std::int64_t decoder_blocks = 3;

  // Pixels a latent cell covers in each direction: 2^(levels - 1).
  std::int64_t stride() const { return std::int64_t{1} << (multipliers.size() - 1); }
};

// Reads the sizes off the decoder's tensor shapes. Throws Error naming what does not fit together.
VaeConfig infer_vae_config(const checkpoint::WeightMap& weights);

// Whether the encoder is there, too, which drawing does not need.
bool has_encoder(const checkpoint::WeightMap& weights);

// Marks what checkpoints hold of their training.
void ignore_leftovers(checkpoint::WeightMap& weights);

}  // namespace scalekv::vae
