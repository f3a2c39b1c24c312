// The back end that computes on this machine's processors, in the process's own memory.
#pragma once

#include <optional>

#include "backend/backend.h"
#include "infinity/transformer.h"
#include "vae/coder.h"

namespace scalekv::backend {

class CpuBackend final : public Backend {
 public:
  Facts facts() const override;
  SessionBytes plan_session(const model::InfinityConfig& config, const infinity::GenerationRequest& request,
                            const cache::KeepPlan& keep_plan, std::int64_t images, std::int64_t text_tokens,
                            WeightType weights) const override;
  std::int64_t plan_decoding(const model::VaeConfig& config, MapSize latent) const override;
  void load(const model::InfinityConfig& config, formats::WeightMap& transformer, WeightType type) override;
  void load(const model::VaeConfig& config, formats::WeightMap& vae) override;
  const model::InfinityConfig& config() const override { return transformer().config(); }
  std::unique_ptr<Session> start(const SessionInput& input, const SessionObservers& observers) const override;
  Tensor decode(View<const float> latent) const override;

  const infinity::Transformer& transformer() const;

 private:
  std::optional<infinity::Transformer> transformer_;
  std::optional<vae::Decoder> decoder_;
};

}  // namespace scalekv::backend
