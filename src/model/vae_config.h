// The sizes of Infinity's image tokenizer.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/weight_map.h"

namespace scalekv::model {

// One half, encoder or decoder. Level 0 is the finest.
struct CoderConfig {
  std::int64_t base = 0;
  std::vector<std::int64_t> multipliers = {};
  std::int64_t blocks = 0;  // residual blocks a level

  std::size_t levels() const { return multipliers.size(); }
  std::int64_t channels(std::size_t level) const { return base * multipliers[level]; }
};

struct VaeConfig {
  std::int64_t codebook = 0;  // bits per latent cell, and channels of the latent map
  CoderConfig decoder;
  CoderConfig encoder = {};  // of no levels where there is none

  // Pixels a latent cell covers in each direction.
  std::int64_t stride() const { return std::int64_t{1} << (decoder.levels() - 1); }
};

// Reads the sizes of each half off its own tensors' shapes. Throws Error naming what does not fit together.
VaeConfig infer_vae_config(const formats::WeightMap& weights);

}  // namespace scalekv::model
