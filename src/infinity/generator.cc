#include "infinity/generator.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "infinity/latent.h"
#include "kernels/elementwise.h"

namespace scalekv::infinity {
namespace {

void check(const model::InfinityConfig& config, const GenerationRequest& request) {
  const std::size_t scales = request.schedule.scales.size();
  const std::size_t images = request.texts.size();
  if (request.cfg.size() != scales || request.tau.size() != scales) {
    fail_usage("{} guidance and {} temperature values for {} scales; give one value, or one for each scale",
               request.cfg.size(), request.tau.size(), scales);
  }
  if (static_cast<std::int64_t>(scales) > config.max_scales) {
    fail("a schedule of {} scales, but the model knows {}", scales, config.max_scales);
  }
  check_guidance_layer(request.guidance_layer, config.depth);
  SCALEKV_ASSERT(images > 0 && request.seeds.size() == images);
  SCALEKV_ASSERT(request.forced == nullptr || request.forced->size() == scales);
}

// One generation in progress.
class Run {
 public:
  Run(const Transformer& transformer, const GenerationRequest& request, const GenerationHooks& hooks)
      : transformer_(transformer),
        config_(transformer.config()),
        request_(request),
        hooks_(hooks),
        scales_(request.schedule.scales),
        images_(static_cast<std::int64_t>(request.texts.size())),
        guided_(std::any_of(request.cfg.begin(), request.cfg.end(), [](float cfg) { return cfg != 1.0F; })),
        sequences_(guided_ ? 2 * images_ : images_),
        workspace_(config_, scales_, sequences_),
        store_(cache::KeepPlan(cache_geometry(config_, request.schedule), request.policy.budget, request.keep_last),
               sequences_, workspace_.group, request.kv) {
    const Conditioning& conditioning = transformer.conditioning();
    condition_ = conditioning.run(conditioning.join_texts(request.texts, request.negative, guided_), hooks.tap);
    for (const Block& block : transformer.blocks()) {
      cross_memory_.push_back(block.project_memory(condition_.memory.view<float>()));
    }
    const MapSize last = latent_size(config_, scales_.back());
    for (std::int64_t image = 0; image < images_; ++image) {
      result_.latents.push_back(
          Tensor::zeros<float>({last.height, last.width, codebook(config_)}, MemoryKind::activations));
    }
  }

  Generation finish() && {
    for (int scale = 0; scale < static_cast<int>(scales_.size()); ++scale) {
      run_scale(scale);
      if (hooks_.progress && !hooks_.progress(scale, result_.latents)) throw Cancelled();
    }
    return std::move(result_);
  }

 private:
  const MapSize& map(int scale) const { return scales_[static_cast<std::size_t>(scale)]; }
  float cfg(int scale) const { return request_.cfg[static_cast<std::size_t>(scale)]; }
  void tap(const char* stage, int scale, View<const float> value) const {
    if (hooks_.tap) hooks_.tap(fmt::format("{}.s{}", stage, scale), value);
  }

  void lap(Stage stage) const {
    if (hooks_.clock != nullptr) hooks_.clock->lap(stage);
  }

  void run_scale(int scale) {
    const std::int64_t tokens = map(scale).tokens();
    Tensor x_rows(DType::f32, {sequences_ * tokens, config_.width}, MemoryKind::activations);
    const View<float> x = x_rows.view<float>();
    scale == 0 ? transformer_.embed_start(condition_.vector.view<float>(), x) : embed_latents(scale, x);
    transformer_.add_scale(x, scale);
    tap("x_in", scale, x);
    run_blocks(scale, x);
    lap(Stage::rest);
    Tensor logits = guided_logits(scale, x);  // [B L, 2 bits]
    lap(Stage::linear);
    x_rows = Tensor();
    tap("logits", scale, logits.view<float>());
    take_bits(scale, logits.view<float>());
    lap(Stage::rest);
  }

  // The pictures so far, resampled to this scale, for both guidance halves.
  void embed_latents(int scale, View<float> x) {
    const std::int64_t tokens = map(scale).tokens();
    Tensor input(DType::f32, {images_ * tokens, config_.bits}, MemoryKind::activations);
    for (std::int64_t image = 0; image < images_; ++image) {
      latent_to_tokens(config_, result_.latents[static_cast<std::size_t>(image)].view<float>(), map(scale),
                       input.view<float>().slice(0, image * tokens, (image + 1) * tokens));
    }
    tap("wemb_in", scale, input.view<float>());
    const std::int64_t half = images_ * tokens;
    transformer_.embed_tokens(input.view<float>(), x.slice(0, 0, half));
    if (guided_) std::copy_n(x.data(), half * config_.width, x.at(half, 0));
  }

  void run_blocks(int scale, View<float> x) {
    const RotaryTable rotary = make_rotary_table(map(scale), request_.schedule.reference, config_.head_size());
    store_.begin_scale(scale);
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
                                               .selector = request_.policy.selector.get(),
                                               .store = &store_,
                                               .workspace = &workspace_,
                                               .observer = hooks_.observer,
                                               .attention_observer = hooks_.attention_observer,
                                               .tap = {},
                                               .clock = hooks_.clock});
      if (hooks_.tap) hooks_.tap(fmt::format("block{}.s{}", layer, scale), x);
      const bool guides_here = request_.guidance_layer > 0 && layer == depth - request_.guidance_layer;
      if (guides_here && cfg(scale) != 1.0F) guide_inside(scale, x);
    }
  }

  // Guidance on a layer's output: both halves go on with the blend.
  void guide_inside(int scale, View<float> x) const {
    const std::int64_t half = x.size(0) / 2;
    const View<float> conditional = x.slice(0, 0, half);
    const View<float> other = x.slice(0, half, 2 * half);
    kernels::blend(conditional, other, cfg(scale), conditional);
    std::copy_n(conditional.data(), conditional.elements(), other.data());
  }

  Tensor guided_logits(int scale, View<const float> x) const {
    const std::int64_t half = images_ * map(scale).tokens();
    const bool blend = guided_ && request_.guidance_layer == 0 && cfg(scale) != 1.0F;
    const std::int64_t sequences = blend || hooks_.tap ? sequences_ : images_;
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

  // Samples (or is told) the bits of this scale and adds their codes to the latent sums. Throws Error on NaN logits.
  void take_bits(int scale, View<const float> logits) {
    if (!std::all_of(logits.data(), logits.data() + logits.elements(), [](float x) { return std::isfinite(x); })) {
      fail("the logits of scale {} are not finite: a weight is NaN or infinite; `scalekv inspect --check` names it",
           scale + 1);
    }
    const std::int64_t tokens = map(scale).tokens();
    result_.bits.emplace_back();
    for (std::int64_t image = 0; image < images_; ++image) {
      const auto index = static_cast<std::size_t>(image);
      Tensor bits;
      if (request_.forced != nullptr) {
        bits = (*request_.forced)[static_cast<std::size_t>(scale)][index].clone(MemoryKind::activations);
      } else {
        Tensor sampled(DType::u8, {tokens, config_.bits}, MemoryKind::activations);
        const auto [seed, number] = request_.seeds[index];
        sample_bits(logits.slice(0, image * tokens, (image + 1) * tokens), request_.sampling, seed, number,
                    static_cast<std::uint32_t>(scale), sampled.view<std::uint8_t>());
        bits = token_bits_to_latent(config_, sampled.view<std::uint8_t>(), map(scale));
      }
      add_bits(bits.view<std::uint8_t>(), result_.latents[index].view<float>());
      result_.bits.back().push_back(std::move(bits));
    }
  }

  const Transformer& transformer_;
  const model::InfinityConfig& config_;
  const GenerationRequest& request_;
  const GenerationHooks& hooks_;
  const std::vector<MapSize>& scales_;
  std::int64_t images_;
  bool guided_;
  std::int64_t sequences_;  // images, or twice as many with guidance: conditional ones first
  Workspace workspace_;
  cache::KvStore store_;
  Condition condition_;
  std::vector<Tensor> cross_memory_;  // per layer
  Generation result_;
};

}  // namespace

void check_guidance_layer(int layer, std::int64_t depth) {
  if (layer >= 0 && layer < depth) return;
  fail_usage("guidance {} layers before the end of {}; choose 0 (on the logits) to {}", layer, depth, depth - 1);
}

cache::CacheGeometry cache_geometry(const model::InfinityConfig& config, const Schedule& schedule) {
  return {.layers = static_cast<int>(config.depth),
          .heads = static_cast<int>(config.heads),
          .head_size = config.head_size(),
          .scales = schedule.scales};
}

Generation generate(const Transformer& transformer, const GenerationRequest& request, const GenerationHooks& hooks) {
  check(transformer.config(), request);
  return Run(transformer, request, hooks).finish();
}

}  // namespace scalekv::infinity
