#include "infinity/transformer.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/elementwise.h"
#include "kernels/norms.h"
#include "model/layer_tensors.h"

namespace scalekv::infinity {

Transformer::Transformer(const model::InfinityConfig& config, formats::WeightMap& weights, WeightType type)
    : config_(config), conditioning_(config, weights) {
  const model::NetworkTable table = model::infinity_table(config);
  const model::LayerTensors tensors(weights, table.tensors);
  start_ = tensors.take("pos_start");
  scale_embedding_ = tensors.take("lvl_embed.weight");
  word_embed_ = tensors.linear("word_embed");
  head_modulation_ = tensors.linear("head_nm.ada_lin.1");
  head_ = tensors.linear("head");
  for (const std::string& prefix : table.prefixes) blocks_.emplace_back(config, prefix, weights, type);
  model::expect_all_used(weights, table);
}

void Transformer::embed_start(View<const float> condition, View<float> x) const {
  for (std::int64_t r = 0; r < x.size(0); ++r) std::copy_n(condition.at(r, 0), x.size(1), x.at(r, 0));
  kernels::add_row(x, start_.view<float>().reshape({config_.width}));
}

void Transformer::embed_tokens(View<const float> tokens, View<float> x) const { word_embed_.run(tokens, x); }

void Transformer::add_scale(View<float> x, int scale) const {
  kernels::add_row(x, scale_embedding_.view<float>()[scale]);
}

void Transformer::head(View<const float> x, View<const float> condition, View<float> logits) const {
  const std::int64_t sequences = condition.size(0);
  const std::int64_t tokens = x.size(0) / sequences;
  const std::int64_t c = config_.width;
  Tensor activated(DType::f32, {sequences, c}, MemoryKind::activations);
  Tensor modulation(DType::f32, {sequences, 2 * c}, MemoryKind::activations);
  kernels::silu(condition, activated.view<float>());
  head_modulation_.run(activated.view<float>(), modulation.view<float>());
  Tensor normed(DType::f32, {tokens, c}, MemoryKind::activations);
  for (std::int64_t r = 0; r < sequences; ++r) {
    const View<const float> parts = modulation.view<float>()[r];  // scale, then shift
    kernels::layer_norm_modulate(x.slice(0, r * tokens, (r + 1) * tokens), parts.slice(0, 0, c),
                                 parts.slice(0, c, 2 * c), 1e-6F, normed.view<float>());
    head_.run(normed.view<float>(), logits.slice(0, r * tokens, (r + 1) * tokens));
  }
}

}  // namespace scalekv::infinity
