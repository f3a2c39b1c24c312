#include "model/tensor_table.h"

#include <fmt/format.h>

#include <cmath>

namespace scalekv::model {
namespace {

// Keeps what comes out of a sum over `inputs` as large as what went in.
float unit(std::int64_t inputs) { return 1.0F / std::sqrt(static_cast<float>(inputs)); }

constexpr float kBias = 0.05F;

void visit_linear(const TensorVisitor& visit, const std::string& name, std::int64_t inputs, std::int64_t outputs,
                  float gain = 1.0F) {
  visit({name + ".weight", {outputs, inputs}, gain * unit(inputs)});
  visit({name + ".bias", {outputs}, kBias});
}

void visit_key_value(const TensorVisitor& visit, const std::string& prefix, std::int64_t inputs, std::int64_t outputs) {
  visit({prefix + "mat_kv.weight", {2 * outputs, inputs}, unit(inputs)});
  visit({prefix + "v_bias", {outputs}, kBias});
}

void visit_block(const TensorVisitor& visit, const InfinityConfig& config, const std::string& block) {
  const std::int64_t c = config.width;
  const float branch = unit(2 * config.depth);  // many layers add up to something of unit size
  visit({block + "ada_gss", {1, 1, 6, c}, 0.2F});
  visit({block + "sa.scale_mul_1H11", {1, config.heads, 1, 1}, 0.1F, std::log(4.0F)});
  visit({block + "sa.q_bias", {c}, kBias});
  visit({block + "sa.v_bias", {c}, kBias});
  visit({block + "sa.mat_qkv.weight", {3 * c, c}, unit(c)});
  visit_linear(visit, block + "sa.proj", c, c);
  visit_linear(visit, block + "ca.mat_q", c, c);
  visit_key_value(visit, block + "ca.", c, c);
  visit_linear(visit, block + "ca.proj", c, c, branch);
  visit({block + "ca_norm.weight", {c}, 0.1F, 1.0F});
  visit({block + "ca_norm.bias", {c}, kBias});
  visit_linear(visit, block + "ffn.fc1", c, config.feed_forward);
  visit_linear(visit, block + "ffn.fc2", config.feed_forward, c);
}

void visit_convolution(const TensorVisitor& visit, const std::string& name, std::int64_t inputs, std::int64_t outputs,
                       std::int64_t kernel = 3) {
  visit({name + ".conv.weight", {outputs, inputs, kernel, kernel}, unit(inputs * kernel * kernel)});
  visit({name + ".conv.bias", {outputs}, kBias});
}

void visit_norm(const TensorVisitor& visit, const std::string& name, std::int64_t channels) {
  visit({name + ".norm.weight", {channels}, 0.1F, 1.0F});
  visit({name + ".norm.bias", {channels}, kBias});
}

void visit_residual_block(const TensorVisitor& visit, const std::string& name, std::int64_t inputs,
                          std::int64_t outputs) {
  visit_norm(visit, name + ".norm1", inputs);
  visit_convolution(visit, name + ".conv1", inputs, outputs);
  visit_norm(visit, name + ".norm2", outputs);
  visit_convolution(visit, name + ".conv2", outputs, outputs);
  if (inputs != outputs) visit_convolution(visit, name + ".nin_shortcut", inputs, outputs, 1);
}

}  // namespace

void visit_transformer(const InfinityConfig& config, const TensorVisitor& visit) {
  const std::int64_t c = config.width, t = config.text_width, pool = config.pool_heads();
  visit({"cfg_uncond", {config.text_max, t}, 1.0F});
  visit({"pos_start", {1, 1, c}, 0.3F});
  visit({"lvl_embed.weight", {config.max_scales, c}, 0.3F});
  visit({"text_norm.weight", {t}, 0.1F, 1.0F});
  visit({"text_proj_for_sos.ca.mat_q", {1, pool, c / pool}, 1.0F});
  visit_key_value(visit, "text_proj_for_sos.ca.", t, c);
  visit_linear(visit, "text_proj_for_sos.ca.proj", c, c);
  visit_linear(visit, "text_proj_for_ca.0", t, c);
  visit_linear(visit, "text_proj_for_ca.2", c, c);
  visit_linear(visit, "word_embed", config.bits, c);
  visit_linear(visit, "shared_ada_lin.1", c, 6 * c, 0.2F);
  visit_linear(visit, "head_nm.ada_lin.1", c, 2 * c, 0.2F);
  visit_linear(visit, "head", c, 2 * config.bits);
  for (std::int64_t layer = 0; layer < config.depth; ++layer) {
    visit_block(visit, config, block_prefix(config, layer));
  }
}

void visit_decoder(const VaeConfig& config, const TensorVisitor& visit) {
  std::int64_t channels = config.decoder.channels(config.decoder.levels() - 1);
  visit_convolution(visit, "decoder.conv_in", config.codebook, channels);
  visit_residual_block(visit, "decoder.mid.block_1", channels, channels);
  visit_residual_block(visit, "decoder.mid.block_2", channels, channels);
  for (auto level = static_cast<std::int64_t>(config.decoder.levels()) - 1; level >= 0; --level) {
    const std::int64_t outputs = config.decoder.channels(static_cast<std::size_t>(level));
    for (std::int64_t i = 0; i < config.decoder.blocks; ++i) {
      visit_residual_block(visit, fmt::format("decoder.up.{}.block.{}", level, i), channels, outputs);
      channels = outputs;
    }
    if (level > 0) visit_convolution(visit, fmt::format("decoder.up.{}.upsample.conv", level), channels, channels);
  }
  visit_norm(visit, "decoder.norm_out", channels);
  visit_convolution(visit, "decoder.conv_out", channels, 3);
}

void visit_encoder(const VaeConfig& config, const TensorVisitor& visit) {
  std::int64_t channels = config.encoder.base;
  visit_convolution(visit, "encoder.conv_in", 3, channels);
  const auto levels = static_cast<std::int64_t>(config.encoder.levels());
  for (std::int64_t level = 0; level < levels; ++level) {
    const std::int64_t outputs = config.encoder.channels(static_cast<std::size_t>(level));
    for (std::int64_t i = 0; i < config.encoder.blocks; ++i) {
      visit_residual_block(visit, fmt::format("encoder.down.{}.block.{}", level, i), channels, outputs);
      channels = outputs;
    }
    if (level + 1 < levels) {
      visit_convolution(visit, fmt::format("encoder.down.{}.downsample.conv", level), channels, channels);
    }
  }
  visit_residual_block(visit, "encoder.mid.block_1", channels, channels);
  visit_residual_block(visit, "encoder.mid.block_2", channels, channels);
  visit_norm(visit, "encoder.norm_out", channels);
  visit_convolution(visit, "encoder.conv_out", channels, config.codebook);
}

void visit_text_encoder(const T5Config& config, const TensorVisitor& visit) {
  const std::int64_t width = config.width, inner = config.heads * config.head_size;
  visit({"shared.weight", {config.vocabulary, width}, 1.0F});
  visit({"encoder.final_layer_norm.weight", {width}, 0.1F, 1.0F});
  const auto matrix = [&](const std::string& name, std::int64_t inputs, std::int64_t outputs, float gain) {
    visit({name, {outputs, inputs}, gain * unit(inputs)});
  };
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string attention = fmt::format("encoder.block.{}.layer.0.", layer);
    const std::string dense = fmt::format("encoder.block.{}.layer.1.", layer);
    const std::string self = attention + "SelfAttention.";
    if (layer == 0) visit({self + "relative_attention_bias.weight", {config.buckets, config.heads}, 1.0F});
    visit({attention + "layer_norm.weight", {width}, 0.1F, 1.0F});
    matrix(self + "q.weight", width, inner, unit(config.head_size));  // T5 does not divide scores by sqrt(head size)
    matrix(self + "k.weight", width, inner, 1.0F);
    matrix(self + "v.weight", width, inner, 1.0F);
    matrix(self + "o.weight", inner, width, 1.0F);
    visit({dense + "layer_norm.weight", {width}, 0.1F, 1.0F});
    matrix(dense + "DenseReluDense.wi_0.weight", width, config.feed_forward, 1.0F);
    matrix(dense + "DenseReluDense.wi_1.weight", width, config.feed_forward, 1.0F);
    matrix(dense + "DenseReluDense.wo.weight", config.feed_forward, width, 1.0F);
  }
}

}  // namespace scalekv::model
