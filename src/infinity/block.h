// One transformer block: self-attention over the cache, cross-attention to the text, feed-forward.
#pragma once

#include <span>
#include <string>

#include "cache/layer_cache.h"
#include "formats/weight_map.h"
#include "infinity/rope.h"
#include "infinity/workspace.h"
#include "kernels/linear.h"
#include "model/infinity_config.h"
#include "runtime/stopwatch.h"
#include "runtime/tap.h"

namespace scalekv::infinity {

// What a block works with at one scale, besides its input. Everything is borrowed.
struct BlockContext {
  int layer = 0;
  int scale = 0;
  MapSize map;
  View<const float> modulation;           // [R, 6 C]
  View<const float> cross_memory;         // [N, 2 C]: this layer's keys and values of the text (Block::project_memory)
  std::span<const std::int64_t> offsets;  // R + 1: rows of cross_memory by sequence
  const RotaryTable* rotary = nullptr;
  cache::KvCache* cache = nullptr;
  Workspace* workspace = nullptr;
  Tap tap;                      // "sa", "ca", "ffn": what each part adds, before its gate
  StageClock* clock = nullptr;  // may be null: nothing is timed

  void lap(Stage stage) const {
    if (clock != nullptr) clock->lap(stage);
  }
};

class Block {
 public:
  // Takes the tensors named `prefix`*; matrices are held as `type`. Throws Error naming a missing or misshapen one.
  Block(const model::InfinityConfig& config, const std::string& prefix, formats::WeightMap& weights,
        WeightType type = WeightType::f32);

  // memory: [N, C] -> [N, 2 C], the keys and values of cross-attention; the same for every scale.
  Tensor project_memory(View<const float> memory) const;

  // x: [R L, C], R sequences of L = map tokens, updated in place, a group of sequences at a time.
  void forward(View<float> x, const BlockContext& context) const;

 private:
  struct Group;
  void self_attention(const Group& group, const BlockContext& context) const;
  void cross_attention(const Group& group, const BlockContext& context) const;
  void feed_forward(const Group& group, const BlockContext& context) const;
  // modulated = LN(x) * (1 + scale) + shift with the modulation's parts `scale` and `shift` of each sequence.
  void modulate(const Group& group, const BlockContext& context, int scale, int shift) const;
  // The part of the modulation of every sequence of the group: [count, C].
  View<const float> modulation_of(const Group& group, const BlockContext& context, int part) const;

  model::InfinityConfig config_;
  Tensor modulation_;               // [6, C]
  Tensor query_bias_, value_bias_;  // [C]
  Tensor query_scale_;              // [H]: exp(min(scale_mul, log 100))
  kernels::Linear query_key_value_, attention_out_;
  Tensor cross_norm_weight_, cross_norm_bias_;  // [C]
  kernels::Linear cross_query_, cross_key_value_, cross_out_;
  kernels::Linear feed_forward_in_, feed_forward_out_;
};

}  // namespace scalekv::infinity
