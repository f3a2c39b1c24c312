// A model of random weights in memory: the transformer's published names and shapes for any sizes.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "formats/weight_map.h"
#include "model/infinity_config.h"
#include "runtime/philox.h"
#include "support/memory_source.h"

namespace scalekv::testing {

class RandomSource final : public MemorySource {
 public:
  RandomSource() : MemorySource("random weights") {}

  void add(const std::string& name, const Shape& shape, float deviation, float mean = 0.0F) {
    Tensor tensor(DType::f32, shape, MemoryKind::other);
    const View<float> values = tensor.view<float>().reshape({tensor.elements()});
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
      values(i) = mean + deviation * normal(9, {static_cast<std::uint32_t>(i),
                                                static_cast<std::uint32_t>(tensors().size()), 0, 0});
    }
    put(name, std::move(tensor));
  }
};

inline std::shared_ptr<RandomSource> random_transformer_source(const model::InfinityConfig& config) {
  auto source = std::make_shared<RandomSource>();
  const std::int64_t c = config.width, t = config.text_width, f = config.feed_forward, pool = config.pool_heads();
  const auto linear = [&](const std::string& name, std::int64_t inputs, std::int64_t outputs) {
    source->add(name + ".weight", {outputs, inputs}, 1.0F / std::sqrt(static_cast<float>(inputs)));
    source->add(name + ".bias", {outputs}, 0.05F);
  };
  const auto key_value = [&](const std::string& prefix, std::int64_t inputs) {
    source->add(prefix + "mat_kv.weight", {2 * c, inputs}, 1.0F / std::sqrt(static_cast<float>(inputs)));
    source->add(prefix + "v_bias", {c}, 0.05F);
    source->add(prefix + "zero_k_bias", {c}, 0.0F);
  };
  source->add("cfg_uncond", {config.text_max, t}, 1.0F);
  source->add("pos_start", {1, 1, c}, 0.3F);
  source->add("lvl_embed.weight", {config.max_scales, c}, 0.3F);
  source->add("text_norm.weight", {t}, 0.1F, 1.0F);
  source->add("text_proj_for_sos.ca.mat_q", {1, pool, c / pool}, 1.0F);
  key_value("text_proj_for_sos.ca.", t);
  linear("text_proj_for_sos.ca.proj", c, c);
  linear("text_proj_for_ca.0", t, c);
  linear("text_proj_for_ca.2", c, c);
  linear("word_embed", config.bits, c);
  linear("shared_ada_lin.1", c, 6 * c);
  linear("head_nm.ada_lin.1", c, 2 * c);
  linear("head", c, 2 * config.bits);
  for (std::int64_t layer = 0; layer < config.depth; ++layer) {
    const std::string block = model::block_prefix(config, layer);
    source->add(block + "ada_gss", {1, 1, 6, c}, 0.2F);
    source->add(block + "sa.scale_mul_1H11", {1, config.heads, 1, 1}, 0.1F, 1.386F);
    source->add(block + "sa.q_bias", {c}, 0.05F);
    source->add(block + "sa.v_bias", {c}, 0.05F);
    source->add(block + "sa.zero_k_bias", {c}, 0.0F);
    source->add(block + "sa.mat_qkv.weight", {3 * c, c}, 1.0F / std::sqrt(static_cast<float>(c)));
    linear(block + "sa.proj", c, c);
    linear(block + "ca.mat_q", c, c);
    key_value(block + "ca.", c);
    linear(block + "ca.proj", c, c);
    source->add(block + "ca_norm.weight", {c}, 0.1F, 1.0F);
    source->add(block + "ca_norm.bias", {c}, 0.05F);
    linear(block + "ffn.fc1", c, f);
    linear(block + "ffn.fc2", f, c);
  }
  return source;
}

inline formats::WeightMap random_transformer(const model::InfinityConfig& config) {
  return formats::WeightMap(random_transformer_source(config), "", "transformer");
}

}  // namespace scalekv::testing
