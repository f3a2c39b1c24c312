// Infinity's transformer: embeddings, blocks and head.
#pragma once

#include <vector>

#include "infinity/block.h"
#include "infinity/conditioning.h"
#include "model/infinity_config.h"

namespace scalekv::infinity {

class Transformer {
 public:
  // Takes every tensor of the checkpoint; the blocks' matrices are held as `type`, everything else in float32.
  // Throws Error naming one that is missing, misshapen or not the transformer's.
  Transformer(const model::InfinityConfig& config, formats::WeightMap& weights, WeightType type = WeightType::f32);

  const model::InfinityConfig& config() const { return config_; }
  const Conditioning& conditioning() const { return conditioning_; }
  const std::vector<Block>& blocks() const { return blocks_; }

  // The input of the first scale: the condition [R, C] plus the start position.
  void embed_start(View<const float> condition, View<float> x) const;
  // Latent tokens [L, bits] -> [L, C].
  void embed_tokens(View<const float> tokens, View<float> x) const;
  // Adds the embedding of the scale to every row.
  void add_scale(View<float> x, int scale) const;
  // x: [R L, C], condition: [R, C] -> logits: [R L, 2 x bits], before temperature and guidance.
  void head(View<const float> x, View<const float> condition, View<float> logits) const;

 private:
  model::InfinityConfig config_;
  Conditioning conditioning_;
  Tensor start_;            // [1, 1, C]
  Tensor scale_embedding_;  // [max_scales, C]
  kernels::Linear word_embed_;
  kernels::Linear head_modulation_, head_;
  std::vector<Block> blocks_;
};

}  // namespace scalekv::infinity
