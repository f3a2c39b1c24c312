#include "engine/draw.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "infinity/latent.h"

namespace scalekv::engine {
namespace {

// One batch in progress.
class Drawing {
 public:
  Drawing(const backend::Backend& backend, const infinity::GenerationRequest& request, const Batch& batch,
          const Observers& observers)
      : config_(backend.config()),
        request_(request),
        batch_(batch),
        observers_(observers),
        keep_plan_(infinity::cache_geometry(config_, request.schedule), request.policy.budget, request.keep_last),
        session_(backend.start({request, keep_plan_, batch.texts, batch.negative}, observers.session)) {
    const MapSize last = infinity::latent_size(config_, request.schedule.scales.back());
    for (std::size_t image = 0; image < batch.texts.size(); ++image) {
      drawn_.latents.push_back(
          Tensor::zeros<float>({last.height, last.width, infinity::codebook(config_)}, MemoryKind::activations));
    }
  }

  Drawn run() && {
    for (int scale = 0; scale < std::ssize(request_.schedule.scales); ++scale) {
      const Tensor logits = session_->predict(scale, scale == 0 ? Tensor() : tokens(scale));
      if (observers_.logits) observers_.logits(scale, logits.view<float>());
      check_finite(scale, logits.view<float>());
      take_bits(scale, logits.view<float>());
      if (observers_.session.clock != nullptr) observers_.session.clock->lap(Stage::rest);
      if (observers_.preview) observers_.preview(scale, drawn_.latents);
      if (observers_.progress && !observers_.progress(scale)) throw Cancelled();
      Runtime::current().throw_if_cancelled();
    }
    return std::move(drawn_);
  }

 private:
  const MapSize& map(int scale) const { return request_.schedule.scales[static_cast<std::size_t>(scale)]; }

  // The pictures so far, resampled to this scale: [B L, bits].
  Tensor tokens(int scale) const {
    const std::int64_t count = map(scale).tokens();
    Tensor rows(DType::f32, {std::ssize(drawn_.latents) * count, config_.bits}, MemoryKind::activations);
    std::int64_t first = 0;
    for (const Tensor& latent : drawn_.latents) {
      infinity::latent_to_tokens(config_, latent.view<float>(), map(scale),
                                 rows.view<float>().slice(0, first, first + count));
      first += count;
    }
    if (observers_.session.tap) observers_.session.tap(fmt::format("wemb_in.s{}", scale), rows.view<float>());
    return rows;
  }

  static void check_finite(int scale, View<const float> logits) {
    if (std::all_of(logits.data(), logits.data() + logits.elements(), [](float x) { return std::isfinite(x); })) return;
    fail("the logits of scale {} are not finite: a weight is NaN or infinite; `inspect` with `check` names it",
         scale + 1);
  }

  // Samples (or is told) the bits of this scale and adds their codes to the latent sums.
  void take_bits(int scale, View<const float> logits) {
    const std::int64_t count = map(scale).tokens();
    drawn_.bits.emplace_back();
    for (std::size_t image = 0; image < drawn_.latents.size(); ++image) {
      Tensor bits;
      if (batch_.forced != nullptr) {
        bits = (*batch_.forced)[static_cast<std::size_t>(scale)][image].clone(MemoryKind::activations);
      } else {
        Tensor sampled(DType::u8, {count, config_.bits}, MemoryKind::activations);
        const auto [seed, number] = batch_.seeds[image];
        const auto first = static_cast<std::int64_t>(image) * count;
        infinity::sample_bits(logits.slice(0, first, first + count), request_.sampling, seed, number,
                              static_cast<std::uint32_t>(scale), sampled.view<std::uint8_t>());
        bits = infinity::token_bits_to_latent(config_, sampled.view<std::uint8_t>(), map(scale));
      }
      infinity::add_bits(bits.view<std::uint8_t>(), drawn_.latents[image].view<float>());
      drawn_.bits.back().push_back(std::move(bits));
    }
  }

  const model::InfinityConfig& config_;
  const infinity::GenerationRequest& request_;
  const Batch& batch_;
  const Observers& observers_;
  cache::KeepPlan keep_plan_;
  std::unique_ptr<backend::Session> session_;
  Drawn drawn_;
};

}  // namespace

Drawn draw(const backend::Backend& backend, const infinity::GenerationRequest& request, const Batch& batch,
           const Observers& observers) {
  infinity::check_generation(backend.config(), request);
  SCALEKV_ASSERT(!batch.texts.empty() && batch.seeds.size() == batch.texts.size());
  SCALEKV_ASSERT(batch.forced == nullptr || batch.forced->size() == request.schedule.scales.size());
  return Drawing(backend, request, batch, observers).run();
}

}  // namespace scalekv::engine
