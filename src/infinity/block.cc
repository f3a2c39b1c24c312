#include "infinity/block.h"

#include <algorithm>
#include <cmath>

#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/norms.h"
#include "kernels/query_key.h"
#include "model/layer_tensors.h"

namespace scalekv::infinity {
namespace {

constexpr float kEpsilon = 1e-6F;
// Parts of the modulation, in the checkpoint's order.
constexpr int kGamma1 = 0, kGamma2 = 1, kScale1 = 2, kScale2 = 3, kShift1 = 4, kShift2 = 5;

}  // namespace

// A run of sequences that is worked on together, and its part of the workspace.
struct Block::Group {
  std::int64_t first = 0;                   // sequence
  std::int64_t count = 0;                   // sequences
  std::int64_t tokens = 0;                  // of one sequence: L
  View<float> x;                            // [count L, C]
  View<float> normed, attended, projected;  // [count L, C]
  View<float> query_key_value;              // [count L, 3 C]
  View<float> hidden;                       // [chunk, F]

  // Rows of sequence `slot` of the group.
  View<float> of(const View<float>& rows, std::int64_t slot) const {
    return rows.slice(0, slot * tokens, (slot + 1) * tokens);
  }
};

Block::Block(const model::InfinityConfig& config, const std::string& prefix, formats::WeightMap& weights,
             WeightType type)
    : config_(config) {
  const model::LayerTensors tensors(weights, model::infinity_block(config), prefix, type);
  modulation_ = tensors.take("ada_gss");
  query_bias_ = tensors.take("sa.q_bias");
  value_bias_ = tensors.take("sa.v_bias");
  query_scale_ = tensors.take("sa.scale_mul_1H11");
  for (std::int64_t h = 0; h < config.heads; ++h) {
    float& scale = query_scale_.view<float>()(0, h, 0, 0);
    scale = std::exp(std::min(scale, std::log(100.0F)));
  }
  query_key_value_ = tensors.linear("sa.mat_qkv");
  attention_out_ = tensors.linear("sa.proj");
  cross_norm_weight_ = tensors.take("ca_norm.weight");
  cross_norm_bias_ = tensors.take("ca_norm.bias");
  cross_query_ = tensors.linear("ca.mat_q");
  cross_key_value_ = tensors.linear("ca.mat_kv");
  cross_out_ = tensors.linear("ca.proj");
  feed_forward_in_ = tensors.linear("ffn.fc1");
  feed_forward_out_ = tensors.linear("ffn.fc2");
}

Tensor Block::project_memory(View<const float> memory) const {
  Tensor projected(DType::f32, {memory.size(0), 2 * config_.width}, MemoryKind::text);
  cross_key_value_.run(memory, projected.view<float>());
  return projected;
}

void Block::forward(View<float> x, const BlockContext& context) const {
  Workspace& workspace = *context.workspace;
  const std::int64_t tokens = context.map.tokens();
  const std::int64_t sequences = x.size(0) / tokens;
  const std::int64_t c = config_.width;

  // modulation = ada_gss + shared modulation, for every sequence.
  const View<float> modulation = workspace.modulation.view<float>().reshape({sequences, 6 * c});
  const View<const float> own = modulation_.view<float>().reshape({1, 6 * c});
  for (std::int64_t r = 0; r < sequences; ++r) {
    std::copy_n(context.modulation.at(r, 0), 6 * c, modulation.at(r, 0));
    kernels::add_row(modulation.slice(0, r, r + 1), own[0]);
  }

  const std::int64_t step = workspace.group[static_cast<std::size_t>(context.scale)];
  for (std::int64_t first = 0; first < sequences; first += step) {
    const std::int64_t count = std::min(step, sequences - first);
    const std::int64_t rows = count * tokens;
    const Group group{.first = first,
                      .count = count,
                      .tokens = tokens,
                      .x = x.slice(0, first * tokens, first * tokens + rows),
                      .normed = workspace.normed.view<float>().slice(0, 0, rows),
                      .attended = workspace.attended.view<float>().slice(0, 0, rows),
                      .projected = workspace.projected.view<float>().slice(0, 0, rows),
                      .query_key_value = workspace.query_key_value.view<float>().slice(0, 0, rows),
                      .hidden = workspace.hidden.view<float>()};
    self_attention(group, context);
    cross_attention(group, context);
    feed_forward(group, context);
  }
}

View<const float> Block::modulation_of(const Group& group, const BlockContext& context, int part) const {
  const View<const float> all = context.workspace->modulation.view<float>();  // [R, 6, C]
  return {all.at(group.first, part, 0), {group.count, config_.width}, {all.stride(0), 1}};
}

void Block::modulate(const Group& group, const BlockContext& context, int scale, int shift) const {
  const View<const float> scales = modulation_of(group, context, scale), shifts = modulation_of(group, context, shift);
  for (std::int64_t slot = 0; slot < group.count; ++slot) {
    kernels::layer_norm_modulate(group.of(group.x, slot), scales[slot], shifts[slot], kEpsilon,
                                 group.of(group.normed, slot));
  }
}

void Block::self_attention(const Group& group, const BlockContext& context) const {
  modulate(group, context, kScale1, kShift1);
  context.lap(Stage::rest);
  query_key_value_.run(group.normed, group.query_key_value);  // [G, 3 C]
  context.lap(Stage::linear);

  cache::LayerCache cache(*context.cache, context.layer, group.first, group.query_key_value);
  for (std::int64_t slot = 0; slot < group.count; ++slot) {
    kernels::normalise_rotate(
        group.of(group.query_key_value, slot).reshape({group.tokens, 3, config_.heads, config_.head_size()}),
        query_bias_.view<float>(), value_bias_.view<float>(), query_scale_.view<float>().reshape({config_.heads}),
        context.rotary->cosine.view<float>(), context.rotary->sine.view<float>());
  }
  cache.append();
  context.lap(Stage::rest);
  cache.attend(group.attended);
  context.lap(Stage::attention);
  cache.keep();
  context.lap(Stage::selection);

  if (context.tap) {
    attention_out_.run(group.attended, group.projected);
    context.tap("sa", group.projected);
  }
  attention_out_.run(group.attended, group.x, {.accumulate = true, .gate = modulation_of(group, context, kGamma1)});
  context.lap(Stage::linear);
}

void Block::cross_attention(const Group& group, const BlockContext& context) const {
  const std::int64_t size = config_.head_size();
  const std::int64_t c = config_.width;
  const View<float> queries = group.projected;
  kernels::layer_norm_affine(group.x, cross_norm_weight_.view<float>(), cross_norm_bias_.view<float>(), kEpsilon,
                             group.normed);
  context.lap(Stage::rest);
  cross_query_.run(group.normed, queries);
  context.lap(Stage::linear);
  std::vector<kernels::AttentionHead> work;
  for (std::int64_t slot = 0; slot < group.count; ++slot) {
    const auto sequence = static_cast<std::size_t>(group.first + slot);
    const std::int64_t first = context.offsets[sequence];
    for (std::int64_t head = 0; head < config_.heads; ++head) {
      const float* keys = context.cross_memory.at(first, head * size);
      work.push_back(
          {.queries = queries.at(slot * group.tokens, head * size),
           .query_stride = c,
           .query_count = group.tokens,
           .segments = {kernels::KeyValueSegment{keys, keys + c, context.offsets[sequence + 1] - first, 2 * c}, {}},
           .out = group.attended.at(slot * group.tokens, head * size),
           .out_stride = c});
    }
  }
  kernels::attention(work, size, 1.0F / std::sqrt(static_cast<float>(size)));
  context.lap(Stage::cross_attention);
  if (context.tap) {
    cross_out_.run(group.attended, group.normed);
    context.tap("ca", group.normed);
  }
  cross_out_.run(group.attended, group.x, {.accumulate = true});
  context.lap(Stage::linear);
}

void Block::feed_forward(const Group& group, const BlockContext& context) const {
  modulate(group, context, kScale2, kShift2);
  context.lap(Stage::rest);
  const View<const float> gate = modulation_of(group, context, kGamma2);  // [count, C]
  // As many rows at a time as the hidden layer has room for: a part of one sequence, or some whole ones.
  const std::int64_t most = group.hidden.size(0);
  const std::int64_t chunk = group.count == 1 ? most : most / group.tokens * group.tokens;
  for (std::int64_t begin = 0; begin < group.x.size(0); begin += chunk) {
    const std::int64_t end = std::min(group.x.size(0), begin + chunk);
    const View<float> hidden = group.hidden.slice(0, 0, end - begin);
    feed_forward_in_.run(group.normed.slice(0, begin, end), hidden, {.activation = kernels::Activation::gelu_tanh});
    if (context.tap) feed_forward_out_.run(hidden, group.projected.slice(0, begin, end));
    feed_forward_out_.run(
        hidden, group.x.slice(0, begin, end),
        {.accumulate = true, .gate = gate.slice(0, begin / group.tokens, (end - 1) / group.tokens + 1)});
  }
  context.lap(Stage::linear);
  if (context.tap) context.tap("ffn", group.projected);
}

}  // namespace scalekv::infinity
