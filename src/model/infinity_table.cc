// Infinity's transformer (Han et al., arXiv 2412.04431), under the names of its published checkpoints.
#include <cmath>

#include "model/table_lines.h"

namespace scalekv::model {
namespace {

// Keys and values of another sequence than the one that passes through. Keys have no bias, for which checkpoints hold
// zeros.
Lines key_value(const std::string& prefix, std::int64_t inputs, std::int64_t outputs) {
  Lines weight = matrix(prefix + "mat_kv", inputs, 2 * outputs, {.uses = 0});
  weight.front().bias = prefix + "v_bias";
  return join(
      {weight, bias(prefix + "v_bias", outputs), values(prefix + "zero_k_bias", {outputs}, 0.0F, 0.0F, Role::unread)});
}

}  // namespace

std::vector<TensorSpec> infinity_block(const InfinityConfig& config) {
  const std::int64_t c = config.width;
  return join({
      values("ada_gss", {1, 1, 6, c}, 0.2F),  // the block's own part of the modulation
      // Self-attention.
      values("sa.scale_mul_1H11", {1, config.heads, 1, 1}, 0.1F, std::log(4.0F), Role::own_values),
      bias("sa.q_bias", c, Role::values),
      bias("sa.v_bias", c, Role::values),
      values("sa.zero_k_bias", {c}, 0.0F, 0.0F, Role::unread),
      matrix("sa.mat_qkv", c, 3 * c),
      linear("sa.proj", c, c),
      // Cross-attention. Many layers add up to something of unit size.
      linear("ca.mat_q", c, c),
      key_value("ca.", c, c),
      linear("ca.proj", c, c, {.gain = unit(2 * config.depth)}),
      norm_weight("ca_norm.weight", c),
      bias("ca_norm.bias", c, Role::values),
      // Feed-forward. On the released weights the inputs of the second reach hundreds of times their median.
      linear("ffn.fc1", c, config.feed_forward),
      linear("ffn.fc2", config.feed_forward, c, {.outliers = true}),
  });
}

NetworkTable infinity_table(const InfinityConfig& config) {
  const std::int64_t c = config.width, t = config.text_width, pool = config.pool_heads();
  NetworkTable table;
  table.tensors = join({
      values("cfg_uncond", {config.text_max, t}, 1.0F, 0.0F, Role::table),  // the unconditional text
      values("pos_start", {1, 1, c}, 0.3F),
      values("lvl_embed.weight", {config.max_scales, c}, 0.3F, 0.0F, Role::table),  // of the scales
      norm_weight("text_norm.weight", t),
      // The text as one vector, by attention of a learned query.
      values("text_proj_for_sos.ca.mat_q", {1, pool, c / pool}, 1.0F),
      key_value("text_proj_for_sos.ca.", t, c),
      linear("text_proj_for_sos.ca.proj", c, c),
      // The text as memory of cross-attention.
      linear("text_proj_for_ca.0", t, c),
      linear("text_proj_for_ca.2", c, c),
      linear("word_embed", config.bits, c),
      linear("shared_ada_lin.1", c, 6 * c, {.gain = 0.2F}),
      linear("head_nm.ada_lin.1", c, 2 * c, {.gain = 0.2F}),
      linear("head", c, 2 * config.bits),
  });
  table.block = infinity_block(config);
  for (std::int64_t layer = 0; layer < config.depth; ++layer) table.prefixes.push_back(block_prefix(config, layer));
  // The mask alone is of hundreds of megabytes.
  table.leftovers = {"lvl_1L", "attn_bias_for_masking", "Infinity_visible_kvlen", "Infinity_invisible_qlen"};
  table.narrowest = WeightType::int8;
  return table;
}

}  // namespace scalekv::model
