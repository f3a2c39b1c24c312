// The sizes of an Infinity transformer.
#pragma once

#include <cstdint>
#include <string>

#include "formats/weight_map.h"

namespace scalekv::model {

struct InfinityConfig {
  std::int64_t depth = 0;         // layers
  std::int64_t width = 0;         // C
  std::int64_t heads = 0;         // H
  std::int64_t chunks = 0;        // groups that the checkpoint's block names are in; 0: none
  std::int64_t feed_forward = 0;  // hidden width of the FFN
  std::int64_t text_width = 0;    // T
  std::int64_t text_max = 512;    // rows of the unconditional text
  std::int64_t bits = 0;          // per token: the VAE's codebook size, or 4 times that with patchify
  std::int64_t max_scales = 15;   // rows of the scale embedding
  bool patchify = false;          // a token is 2x2 latent cells

  std::int64_t head_size() const { return width / heads; }
  // Heads of the pooling that turns the text into one vector.
  std::int64_t pool_heads() const { return text_width / (width > 4096 ? 64 : 128); }
};

// Reads the sizes off the tensors' shapes. `codebook` is the VAE's: bits == 4 x codebook means patchify.
// Throws Error naming the tensor that does not fit.
InfinityConfig infer_infinity_config(const formats::WeightMap& weights, std::int64_t codebook);

// Prefix of a block's tensors: "block_chunks.3.module.1." or "blocks.5.".
std::string block_prefix(const InfinityConfig& config, std::int64_t layer);

}  // namespace scalekv::model
