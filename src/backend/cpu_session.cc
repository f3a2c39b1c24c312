#include "backend/cpu_session.h"

#include <algorithm>
#include <utility>

#include "infinity/predict.h"
#include "kernels/elementwise.h"

namespace scalekv::backend {

CpuSession::CpuSession(const infinity::Transformer& transformer, const SessionInput& input,
                       const SessionObservers& observers)
    : transformer_(transformer),
      config_(transformer.config()),
      request_(input.request),
      observers_(observers),
      images_(std::ssize(input.texts)),
      sequences_(infinity::sequence_count(request_, images_)),
      workspace_(config_, request_.schedule.scales, sequences_),
      cache_(input.keep_plan, request_.policy.selector, sequences_, workspace_.group, request_.kv,
             {observers.kept, observers.attention}) {
  const infinity::Conditioning& conditioning = transformer.conditioning();
  condition_ =
      conditioning.run(conditioning.join_texts(input.texts, input.negative, sequences_ > images_), observers.tap);
  for (const infinity::Block& block : transformer.blocks()) {
    cross_memory_.push_back(block.project_memory(condition_.memory.view<float>()));
  }
}

void CpuSession::tap(const char* stage, int scale, View<const float> value) const {
  if (observers_.tap) observers_.tap(fmt::format("{}.s{}", stage, scale), value);
}

void CpuSession::lap(Stage stage) const {
  if (observers_.clock != nullptr) observers_.clock->lap(stage);
}

Tensor CpuSession::predict(int scale, Tensor tokens) {
  Tensor x_rows(DType::f32, {sequences_ * map(scale).tokens(), config_.width}, MemoryKind::activations);
  const View<float> x = x_rows.view<float>();
  if (scale == 0) {
    transformer_.embed_start(condition_.vector.view<float>(), x);
  } else {
    embed(std::exchange(tokens, Tensor()).view<float>(), x);
  }
  transformer_.add_scale(x, scale);
  tap("x_in", scale, x);
  run_blocks(scale, x);
  lap(Stage::rest);
  Tensor logits = guided_logits(scale, x);
  lap(Stage::linear);
  return logits;
}

void CpuSession::embed(View<const float> tokens, View<float> x) const {
  const std::int64_t half = tokens.size(0);
  transformer_.embed_tokens(tokens, x.slice(0, 0, half));
  if (sequences_ > images_) std::copy_n(x.data(), half * config_.width, x.at(half, 0));
}

void CpuSession::run_blocks(int scale, View<float> x) {
  const infinity::RotaryTable rotary =
      infinity::make_rotary_table(map(scale), request_.schedule.reference, config_.head_size());
  cache_.begin_scale(scale);
  const auto depth = static_cast<int>(config_.depth);
  for (int layer = 0; layer < depth; ++layer) {
    const auto index = static_cast<std::size_t>(layer);
    transformer_.blocks()[index].forward(x, {.layer = layer,
                                             .scale = scale,
                                             .map = map(scale),
                                             .modulation = condition_.modulation.view<float>(),
                                             .cross_memory = cross_memory_[index].view<float>(),
                                             .offsets = condition_.offsets,
                                             .rotary = &rotary,
                                             .cache = &cache_,
                                             .workspace = &workspace_,
                                             .tap = {},
                                             .clock = observers_.clock});
    if (observers_.tap) observers_.tap(fmt::format("block{}.s{}", layer, scale), x);
    const bool guides_here = request_.guidance_layer > 0 && layer == depth - request_.guidance_layer;
    if (guides_here && cfg(scale) != 1.0F) guide_inside(scale, x);
  }
}

void CpuSession::guide_inside(int scale, View<float> x) const {
  const std::int64_t half = x.size(0) / 2;
  const View<float> conditional = x.slice(0, 0, half);
  const View<float> other = x.slice(0, half, 2 * half);
  kernels::blend(conditional, other, cfg(scale), conditional);
  std::copy_n(conditional.data(), conditional.elements(), other.data());
}

Tensor CpuSession::guided_logits(int scale, View<const float> x) const {
  const std::int64_t half = images_ * map(scale).tokens();
  const bool blend = sequences_ > images_ && request_.guidance_layer == 0 && cfg(scale) != 1.0F;
  const std::int64_t sequences = blend || observers_.tap ? sequences_ : images_;
  Tensor logits(DType::f32, {sequences * map(scale).tokens(), 2 * config_.bits}, MemoryKind::activations);
  const View<float> all = logits.view<float>();
  transformer_.head(x.slice(0, 0, all.size(0)), condition_.vector.view<float>().slice(0, 0, sequences), all);
  tap("head_raw", scale, all);
  const float inverse_tau = 1.0F / request_.tau[static_cast<std::size_t>(scale)];
  for (std::int64_t i = 0; i < all.elements(); ++i) all.data()[i] *= inverse_tau;
  const View<float> conditional = all.slice(0, 0, half);
  if (blend) kernels::blend(conditional, all.slice(0, half, 2 * half), cfg(scale), conditional);
  if (sequences == images_) return logits;
  Tensor kept(DType::f32, {half, 2 * config_.bits}, MemoryKind::activations);
  std::copy_n(conditional.data(), conditional.elements(), kept.view<float>().data());
  return kept;
}

}  // namespace scalekv::backend
