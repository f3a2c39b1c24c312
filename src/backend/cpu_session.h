// One generation on the CPU: workspace, cache, condition and the layers' memories of the text.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "cache/layer_cache.h"
#include "infinity/conditioning.h"
#include "infinity/transformer.h"
#include "infinity/workspace.h"

namespace scalekv::backend {

class CpuSession final : public Session {
 public:
  CpuSession(const infinity::Transformer& transformer, const SessionInput& input, const SessionObservers& observers);

  Tensor predict(int scale, Tensor tokens) override;

 private:
  MapSize map(int scale) const { return request_.schedule.scales[static_cast<std::size_t>(scale)]; }
  float cfg(int scale) const { return request_.cfg[static_cast<std::size_t>(scale)]; }
  void tap(const char* stage, int scale, View<const float> value) const;
  void lap(Stage stage) const;

  // The pictures so far, for both guidance halves.
  void embed(View<const float> tokens, View<float> x) const;
  void run_blocks(int scale, View<float> x);
  // Guidance on a layer's output: both halves go on with the blend.
  void guide_inside(int scale, View<float> x) const;
  Tensor guided_logits(int scale, View<const float> x) const;

  const infinity::Transformer& transformer_;
  const model::InfinityConfig& config_;
  const infinity::GenerationRequest& request_;
  const SessionObservers& observers_;
  std::int64_t images_;
  std::int64_t sequences_;  // images, or twice as many with guidance: conditional ones first
  infinity::Workspace workspace_;
  cache::KvCache cache_;
  infinity::Condition condition_;
  std::vector<Tensor> cross_memory_;  // per layer
};

}  // namespace scalekv::backend
