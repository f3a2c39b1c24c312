// The encoder of T5 v1.1 (Raffel et al., arXiv 1910.10683), under the names of Hugging Face's T5EncoderModel.
#include "model/table_lines.h"

namespace scalekv::model {

NetworkTable t5_table(const T5Config& config) {
  const std::int64_t width = config.width, inner = config.heads * config.head_size, hidden = config.feed_forward;
  const std::string attention = "layer.0.SelfAttention.", dense = "layer.1.DenseReluDense.";
  NetworkTable table;
  table.tensors = join({
      values(std::string(config.embedding), {config.vocabulary, width}, 1.0F, 0.0F, Role::embedding),
      norm_weight("encoder.final_layer_norm.weight", width),
      // The first block's serves all.
      values("encoder.block.0." + attention + "relative_attention_bias.weight", {config.buckets, config.heads}, 1.0F,
             0.0F, Role::table),
  });
  table.block = join({
      norm_weight("layer.0.layer_norm.weight", width),
      matrix(attention + "q", width, inner, {.gain = unit(config.head_size)}),  // scores are not divided by its root
      matrix(attention + "k", width, inner),
      matrix(attention + "v", width, inner),
      matrix(attention + "o", inner, width),
      norm_weight("layer.1.layer_norm.weight", width),
      matrix(dense + "wi_0", width, hidden),
      matrix(dense + "wi_1", width, hidden),
      matrix(dense + "wo", hidden, width),
  });
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    table.prefixes.push_back("encoder.block." + std::to_string(layer) + ".");
  }
  table.starts = {"shared.weight", "encoder."};
  table.leftovers = {"decoder.", "lm_head."};
  // The embedding once more.
  if (config.embedding == kSharedEmbedding) table.leftovers.emplace_back(kOwnEmbedding);
  // It runs once a prompt and is sensitive to rounding: its inputs are never rounded.
  table.narrowest = WeightType::bf16;
  return table;
}

}  // namespace scalekv::model
