#include "text/t5_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/norms.h"
#include "model/layer_tensors.h"

namespace scalekv::text {
namespace {

// Hugging Face's _relative_position_bucket for a bidirectional encoder: half of the buckets for keys to the right;
// exact distances first, then logarithmic ones up to max_distance.
std::int64_t relative_bucket(std::int64_t distance, std::int64_t buckets, std::int64_t max_distance) {
  const std::int64_t half = buckets / 2;
  const std::int64_t side = distance > 0 ? half : 0;
  const std::int64_t away = std::abs(distance);
  const std::int64_t exact = half / 2;
  if (away < exact) return side + away;
  const float ratio = std::log(static_cast<float>(away) / static_cast<float>(exact)) /
                      std::log(static_cast<float>(max_distance) / static_cast<float>(exact));
  const auto logarithmic = exact + static_cast<std::int64_t>(ratio * static_cast<float>(half - exact));
  return side + std::min(logarithmic, half - 1);
}

}  // namespace

T5Encoder::T5Encoder(const model::T5Config& config, formats::WeightMap& weights, WeightType type) : config_(config) {
  const model::NetworkTable table = model::t5_table(config);
  const model::LayerTensors tensors(weights, table.tensors);
  embedding_ = tensors.take(config.embedding);
  bias_table_ = tensors.take("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  for (const std::string& prefix : table.prefixes) {
    const model::LayerTensors block(weights, table.block, prefix, type);
    layers_.push_back({.attention_norm = block.take("layer.0.layer_norm.weight"),
                       .query = block.linear("layer.0.SelfAttention.q"),
                       .key = block.linear("layer.0.SelfAttention.k"),
                       .value = block.linear("layer.0.SelfAttention.v"),
                       .attention_out = block.linear("layer.0.SelfAttention.o"),
                       .feed_forward_norm = block.take("layer.1.layer_norm.weight"),
                       .gate = block.linear("layer.1.DenseReluDense.wi_0"),
                       .up = block.linear("layer.1.DenseReluDense.wi_1"),
                       .down = block.linear("layer.1.DenseReluDense.wo")});
  }
  final_norm_ = tensors.take("encoder.final_layer_norm.weight");
  model::expect_all_used(weights, table);
}

Tensor T5Encoder::embed(std::span<const std::int32_t> ids) const {
  const auto length = static_cast<std::int64_t>(ids.size());
  Tensor rows(embedding_.dtype(), {length, config_.width}, MemoryKind::text);
  const std::int64_t row_bytes = rows.bytes() / length;
  for (std::int64_t i = 0; i < length; ++i) {
    const std::int32_t id = ids[static_cast<std::size_t>(i)];
    if (id < 0 || id >= config_.vocabulary) {
      fail("token {} is outside the text encoder's vocabulary of {}; tokenizer and text encoder do not belong together",
           id, config_.vocabulary);
    }
    std::memcpy(static_cast<char*>(rows.mutable_raw()) + i * row_bytes,
                static_cast<const char*>(embedding_.raw()) + id * row_bytes, static_cast<std::size_t>(row_bytes));
  }
  return rows.convert_to_float(MemoryKind::text);
}

Tensor T5Encoder::position_bias(std::int64_t length) const {
  Tensor bias(DType::f32, {config_.heads, 2 * length - 1}, MemoryKind::text);
  const View<float> values = bias.view<float>();
  const View<const float> table = bias_table_.view<float>();
  for (std::int64_t distance = 1 - length; distance < length; ++distance) {
    const std::int64_t bucket = relative_bucket(distance, config_.buckets, config_.max_distance);
    for (std::int64_t head = 0; head < config_.heads; ++head) values(head, distance + length - 1) = table(bucket, head);
  }
  return bias;
}

Tensor T5Encoder::encode(std::span<const std::int32_t> ids, const Tap& tap) const {
  SCALEKV_ASSERT(!ids.empty());
  const auto length = static_cast<std::int64_t>(ids.size());
  const std::int64_t size = config_.head_size;
  const std::int64_t inner = config_.heads * size;
  const auto epsilon = static_cast<float>(config_.epsilon);
  const auto allocate = [&](std::int64_t columns) { return Tensor(DType::f32, {length, columns}, MemoryKind::text); };

  Tensor hidden = embed(ids);  // [length, width]
  const View<float> x = hidden.view<float>();
  const Tensor bias = position_bias(length);  // [heads, 2 length - 1]
  Tensor normed = allocate(config_.width);
  Tensor queries = allocate(inner), keys = allocate(inner), values = allocate(inner);
  Tensor attended = allocate(inner);
  Tensor gate = allocate(config_.feed_forward);
  Tensor up = allocate(config_.feed_forward);
  if (tap) tap("embedding", x);
  for (const Layer& layer : layers_) {
    kernels::rms_norm(x, layer.attention_norm.view<float>(), epsilon, normed.view<float>());
    layer.query.run(normed.view<float>(), queries.view<float>());
    layer.key.run(normed.view<float>(), keys.view<float>());
    layer.value.run(normed.view<float>(), values.view<float>());
    std::vector<kernels::AttentionHead> heads;
    for (std::int64_t h = 0; h < config_.heads; ++h) {
      const kernels::KeyValueSegment segment{keys.view<float>().at(0, h * size), values.view<float>().at(0, h * size),
                                             length, inner};
      heads.push_back({.queries = queries.view<float>().at(0, h * size),
                       .query_stride = inner,
                       .query_count = length,
                       .segments = {segment, {}},
                       // The next query's distances are one less: its row begins one element earlier.
                       .bias = bias.view<float>().at(h, length - 1),
                       .bias_stride = -1,
                       .out = attended.view<float>().at(0, h * size),
                       .out_stride = inner});
    }
    kernels::attention(heads, size, 1.0F);
    layer.attention_out.run(attended.view<float>(), x, {.accumulate = true});

    kernels::rms_norm(x, layer.feed_forward_norm.view<float>(), epsilon, normed.view<float>());
    layer.gate.run(normed.view<float>(), gate.view<float>());
    layer.up.run(normed.view<float>(), up.view<float>());
    kernels::gelu_gate(gate.view<float>(), up.view<float>());
    layer.down.run(gate.view<float>(), x, {.accumulate = true});
    if (tap) tap("layer", x);
  }
  kernels::rms_norm(x, final_norm_.view<float>(), epsilon, normed.view<float>());
  return normed;
}

}  // namespace scalekv::text
