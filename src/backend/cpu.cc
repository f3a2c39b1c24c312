#include "backend/cpu.h"

#include "backend/cpu_session.h"
#include "base/error.h"
#include "infinity/predict.h"
#include "kernels/machine.h"

namespace scalekv::backend {

Facts CpuBackend::facts() const { return {.name = "cpu", .device = kernels::machine_description()}; }

SessionBytes CpuBackend::plan_session(const model::InfinityConfig& config, const infinity::GenerationRequest& request,
                                      const cache::KeepPlan& keep_plan, std::int64_t images, std::int64_t text_tokens,
                                      WeightType weights) const {
  const std::int64_t sequences = infinity::sequence_count(request, images);
  const std::vector<std::int64_t> group = infinity::sequence_groups(request.schedule.scales, sequences);
  return {.kv = cache::predict_kv_bytes(keep_plan, sequences, group, request.kv).peak,
          .activations = infinity::predict_activation_bytes(config, request, images, weights),
          .text = infinity::predict_text_bytes(config, sequences, text_tokens)};
}

std::int64_t CpuBackend::plan_decoding(const model::VaeConfig& config, MapSize latent) const {
  return vae::Decoder::predict_bytes(config, latent.height, latent.width);
}

void CpuBackend::load(const model::InfinityConfig& config, formats::WeightMap& transformer, WeightType type) {
  transformer_.emplace(config, transformer, type);
}

void CpuBackend::load(const model::VaeConfig& config, formats::WeightMap& vae) { decoder_.emplace(config, vae); }

const infinity::Transformer& CpuBackend::transformer() const {
  SCALEKV_ASSERT(transformer_.has_value());
  return *transformer_;
}

std::unique_ptr<Session> CpuBackend::start(const SessionInput& input, const SessionObservers& observers) const {
  return std::make_unique<CpuSession>(transformer(), input, observers);
}

Tensor CpuBackend::decode(View<const float> latent) const {
  SCALEKV_ASSERT(decoder_.has_value());
  return decoder_->decode(latent);
}

}  // namespace scalekv::backend
