#include "infinity/conditioning.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/norms.h"
#include "model/layer_tensors.h"

namespace scalekv::infinity {

Conditioning::Conditioning(const model::InfinityConfig& config, formats::WeightMap& weights) : config_(config) {
  const model::LayerTensors tensors(weights, model::infinity_table(config).tensors);
  text_norm_ = tensors.take("text_norm.weight");
  unconditional_ = tensors.take("cfg_uncond");
  pool_query_ = tensors.take("text_proj_for_sos.ca.mat_q");
  pool_key_value_ = tensors.linear("text_proj_for_sos.ca.mat_kv");
  pool_out_ = tensors.linear("text_proj_for_sos.ca.proj");
  memory_in_ = tensors.linear("text_proj_for_ca.0");
  memory_out_ = tensors.linear("text_proj_for_ca.2");
  modulation_ = tensors.linear("shared_ada_lin.1");
}

RaggedText Conditioning::join_texts(std::span<const View<const float>> texts,
                                    std::span<const View<const float>> negative, bool guided) const {
  SCALEKV_ASSERT(negative.empty() || negative.size() == texts.size());
  std::vector<View<const float>> parts(texts.begin(), texts.end());
  for (std::size_t i = 0; guided && i < texts.size(); ++i) {
    const bool learned = negative.empty() || negative[i].empty();
    parts.push_back(learned ? unconditional_.view<float>().slice(0, 0, texts[i].size(0)) : negative[i]);
  }
  RaggedText joined;
  joined.offsets.push_back(0);
  for (const View<const float>& part : parts) {
    if (part.rank() != 2 || part.size(0) < 1 || part.size(0) > config_.text_max || part.size(1) != config_.text_width) {
      fail("text features have shape {}, expected [1 to {}, {}]", part.shape().to_string(), config_.text_max,
           config_.text_width);
    }
    joined.offsets.push_back(joined.offsets.back() + part.size(0));
  }
  joined.features = Tensor(DType::f32, {joined.offsets.back(), config_.text_width}, MemoryKind::text);
  const View<float> rows = joined.features.view<float>();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::copy_n(parts[i].data(), parts[i].elements(), rows.at(joined.offsets[i], 0));
  }
  return joined;
}

Condition Conditioning::run(const RaggedText& text, const Tap& tap) const {
  const std::int64_t sequences = text.sequences();
  const std::int64_t tokens = text.offsets.back();
  const std::int64_t c = config_.width;
  const std::int64_t pool = config_.pool_heads();
  const std::int64_t pool_size = c / pool;

  Tensor normed(DType::f32, text.features.shape(), MemoryKind::text);  // [N, T]
  kernels::rms_norm(text.features.view<float>(), text_norm_.view<float>(), 1e-6F, normed.view<float>());
  if (tap) tap("txt.text_norm_out", normed.view<float>());

  // Attention pooling: one learned query a head over the tokens of each text.
  Tensor key_value(DType::f32, {tokens, 2 * c}, MemoryKind::text);
  pool_key_value_.run(normed.view<float>(), key_value.view<float>());
  Tensor pooled(DType::f32, {sequences, c}, MemoryKind::text);
  std::vector<kernels::AttentionHead> heads;
  for (std::int64_t r = 0; r < sequences; ++r) {
    const std::int64_t first = text.offsets[static_cast<std::size_t>(r)];
    const std::int64_t count = text.offsets[static_cast<std::size_t>(r) + 1] - first;
    for (std::int64_t h = 0; h < pool; ++h) {
      const float* row = key_value.view<float>().at(first, h * pool_size);
      heads.push_back({.queries = pool_query_.view<float>().at(0, h, 0),
                       .query_stride = pool_size,
                       .query_count = 1,
                       .segments = {kernels::KeyValueSegment{row, row + c, count, 2 * c}, {}},
                       .out = pooled.view<float>().at(r, h * pool_size),
                       .out_stride = c});
    }
  }
  kernels::attention(heads, pool_size, 1.0F / std::sqrt(static_cast<float>(pool_size)));

  Condition condition;
  condition.offsets = text.offsets;
  condition.vector = Tensor(DType::f32, {sequences, c}, MemoryKind::text);
  pool_out_.run(pooled.view<float>(), condition.vector.view<float>());
  if (tap) tap("txt.cond_BD", condition.vector.view<float>());

  Tensor hidden(DType::f32, {tokens, c}, MemoryKind::text);
  memory_in_.run(normed.view<float>(), hidden.view<float>(), {.activation = kernels::Activation::gelu_tanh});
  condition.memory = Tensor(DType::f32, {tokens, c}, MemoryKind::text);
  memory_out_.run(hidden.view<float>(), condition.memory.view<float>());
  if (tap) tap("txt.ca_kv", condition.memory.view<float>());

  Tensor activated(DType::f32, {sequences, c}, MemoryKind::text);
  kernels::silu(condition.vector.view<float>(), activated.view<float>());
  condition.modulation = Tensor(DType::f32, {sequences, 6 * c}, MemoryKind::text);
  modulation_.run(activated.view<float>(), condition.modulation.view<float>());
  if (tap) tap("txt.cond_gss", condition.modulation.view<float>());
  return condition;
}

}  // namespace scalekv::infinity
