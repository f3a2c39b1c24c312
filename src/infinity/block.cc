#include "infinity/block.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "cache/merge.h"
#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/norms.h"
#include "kernels/query_key.h"
#include "model/layer_tensors.h"
#include "runtime/threads.h"

namespace scalekv::infinity {
namespace {

constexpr float kEpsilon = 1e-6F;
// Parts of the modulation, in the checkpoint's order.
constexpr int kGamma1 = 0, kGamma2 = 1, kScale1 = 2, kScale2 = 3, kShift1 = 4, kShift2 = 5;

}  // namespace

namespace {

// What attention adds to the scores of a head's keys, the same for every query: the log of how many tokens a key stands
// for. Empty where every key is a token of its own.
std::vector<float> key_bias(const cache::FoldedToken& folded, std::int64_t tokens) {
  if (folded.index < 0) return {};
  std::vector<float> bias(static_cast<std::size_t>(tokens), 0.0F);
  bias[static_cast<std::size_t>(folded.index)] = folded.log_count;
  return bias;
}

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

View<const float> Block::modulation_part(const BlockContext& context, std::int64_t sequence, int part) const {
  return context.workspace->modulation.view<float>()[sequence][part];
}

View<const float> Block::gates(const Group& group, const BlockContext& context, int part) const {
  const View<const float> all = context.workspace->modulation.view<float>();  // [R, 6, C]
  return {all.at(group.first, part, 0), {group.count, config_.width}, {all.stride(0), 1}};
}

void Block::modulate(const Group& group, const BlockContext& context, int scale, int shift) const {
  for (std::int64_t slot = 0; slot < group.count; ++slot) {
    const std::int64_t sequence = group.first + slot;
    kernels::layer_norm_modulate(group.of(group.x, slot), modulation_part(context, sequence, scale),
                                 modulation_part(context, sequence, shift), kEpsilon, group.of(group.normed, slot));
  }
}

void Block::self_attention(const Group& group, const BlockContext& context) const {
  cache::KvStore& store = *context.store;
  const std::int64_t heads = config_.heads;
  const std::int64_t size = config_.head_size();
  modulate(group, context, kScale1, kShift1);
  context.lap(Stage::rest);
  query_key_value_.run(group.normed, group.query_key_value);  // [G, 3 C]
  context.lap(Stage::linear);

  ObservedQueries observed(context.selector, store.plan(), context.scale, context.layer, group.count);
  observed.gather(cache::QueryForm::projected, group.query_key_value);
  for (std::int64_t slot = 0; slot < group.count; ++slot) {
    const View<float> rows = group.of(group.query_key_value, slot).reshape({group.tokens, 3, heads, size});
    kernels::normalise_rotate(rows, query_bias_.view<float>(), value_bias_.view<float>(),
                              query_scale_.view<float>().reshape({heads}), context.rotary->cosine.view<float>(),
                              context.rotary->sine.view<float>());
    const auto part = [&](int index) {  // [L, H, D] of [L, 3, H, D]
      return View<const float>(rows.at(0, index, 0, 0), {group.tokens, heads, size}, {rows.stride(0), size, 1});
    };
    store.write_map(context.layer, group.first + slot, slot, part(1), part(2));
  }
  observed.gather(cache::QueryForm::attention, group.query_key_value);

  std::vector<kernels::AttentionHead> work;
  std::vector<std::vector<float>> biases;  // one a head; moving them leaves their numbers where they are
  for (std::int64_t slot = 0; slot < group.count; ++slot) {
    for (int head = 0; head < static_cast<int>(heads); ++head) {
      const std::int64_t tokens = store.history(context.layer, group.first + slot, head).count + group.tokens;
      biases.push_back(key_bias(store.folded(context.layer, group.first + slot, head), tokens));
      work.push_back({.queries = group.query_key_value.at(slot * group.tokens, head * size),
                      .query_stride = 3 * config_.width,
                      .query_count = group.tokens,
                      .segments = {store.history(context.layer, group.first + slot, head),
                                   store.current(context.layer, group.first + slot, slot, head)},
                      .bias = biases.back().empty() ? nullptr : biases.back().data(),
                      .out = group.attended.at(slot * group.tokens, head * size),
                      .out_stride = config_.width});
    }
  }
  context.lap(Stage::rest);
  kernels::attention(work, size, 1.0F);
  context.lap(Stage::attention);
  if (context.attention_observer) context.attention_observer(context.scale, context.layer, work);
  select_and_keep(group, context, observed);
  context.lap(Stage::selection);

  if (context.tap) {
    attention_out_.run(group.attended, group.projected);
    context.tap("sa", group.projected);
  }
  attention_out_.run(group.attended, group.x, {.accumulate = true, .gate = gates(group, context, kGamma1)});
  context.lap(Stage::linear);
}

void Block::select_and_keep(const Group& group, const BlockContext& context, const ObservedQueries& observed) const {
  cache::KvStore& store = *context.store;
  const cache::KeepPlan& plan = store.plan();
  const auto heads = static_cast<int>(config_.heads);
  if (plan.keeps_all(context.scale, context.layer)) {
    for (std::int64_t slot = 0; slot < group.count; ++slot) store.keep_all(context.layer, group.first + slot);
    return;
  }
  std::vector<std::vector<std::int32_t>> kept(static_cast<std::size_t>(group.count * heads));
  parallel_for(group.count * heads, [&](std::int64_t i) {
    const std::int64_t slot = i / heads;
    const int head = static_cast<int>(i % heads);
    std::vector<std::int32_t>& mine = kept[static_cast<std::size_t>(i)];
    mine.resize(static_cast<std::size_t>(plan.after(context.scale, context.layer, head)));
    const cache::SelectionFacts facts = observed.facts(head);
    if (facts.capacity == facts.tokens()) {
      std::iota(mine.begin(), mine.end(), 0);
    } else if (facts.capacity > 0) {
      select(facts, observed.queries(slot, head), group.first + slot, slot, context, mine);
    }
  });
  for (std::int64_t slot = 0; slot < group.count; ++slot) {
    const auto of_slot =
        std::span(kept).subspan(static_cast<std::size_t>(slot * heads), static_cast<std::size_t>(heads));
    for (int head = 0; context.observer && head < heads; ++head) {
      context.observer(context.scale, context.layer, group.first + slot, head, of_slot[static_cast<std::size_t>(head)]);
    }
    store.keep(context.layer, group.first + slot, slot, of_slot);
  }
}

void Block::select(const cache::SelectionFacts& facts, View<const float> queries, std::int64_t sequence,
                   std::int64_t slot, const BlockContext& context, std::span<std::int32_t> kept) const {
  cache::KvStore& store = *context.store;
  std::vector<float> sums;
  if (context.selector->accumulates()) {
    sums = store.received(facts.layer, sequence, facts.head);
    sums.resize(static_cast<std::size_t>(facts.tokens()), 0.0F);
  }
  const cache::SelectionInput input{queries,
                                    store.history(facts.layer, sequence, facts.head),
                                    store.current(facts.layer, sequence, slot, facts.head),
                                    store.origins(facts.layer, sequence, facts.head),
                                    sums,
                                    store.folded(facts.layer, sequence, facts.head)};
  context.selector->select(facts, input, kept);
  fold(facts, input, sequence, slot, context, kept);
  if (sums.empty()) return;
  std::vector<float>& received = store.received(facts.layer, sequence, facts.head);
  received.clear();
  for (const std::int32_t index : kept) received.push_back(sums[static_cast<std::size_t>(index)]);
}

void Block::fold(const cache::SelectionFacts& facts, const cache::SelectionInput& input, std::int64_t sequence,
                 std::int64_t slot, const BlockContext& context, std::span<const std::int32_t> kept) const {
  const std::int32_t place = context.selector->fold_slot(facts, input, kept);
  if (place < 0) return;
  const cache::Fold folded = cache::fold_dropped(input, kept, place, config_.head_size());
  context.store->write_token(facts.layer, sequence, slot, facts.head, place, folded.key, folded.value);
  const auto index = std::lower_bound(kept.begin(), kept.end(), place) - kept.begin();
  context.store->folded(facts.layer, sequence, facts.head) = {static_cast<std::int32_t>(index), folded.log_count};
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
  const View<const float> gate = gates(group, context, kGamma2);  // [count, C]
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
