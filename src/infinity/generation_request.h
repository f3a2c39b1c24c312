// How pictures are drawn: a request, resolved for one model. Which pictures (texts, seeds) is said elsewhere.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/policy.h"
#include "infinity/sampler.h"
#include "infinity/schedule.h"
#include "kernels/kv_precision.h"
#include "model/infinity_config.h"

namespace scalekv::infinity {

struct GenerationRequest {
  Schedule schedule;
  std::vector<float> cfg;  // guidance per scale; 1 everywhere: no second half at all
  std::vector<float> tau;  // temperature per scale
  int guidance_layer = 0;  // 0: guidance on the logits; k > 0: on the output of the layer k before the end
  SamplingOptions sampling;
  cache::Policy policy;
  kernels::KvPrecision kv = kernels::KvPrecision::f32;  // of the cache
  bool keep_last = false;  // compress after the last scale, too, as the reference does; for checking

  // Is any scale guided? Then every image has a second, unconditional sequence.
  bool guided() const;
};

// Throws UsageError unless guidance can act so many layers before the end of `depth` (GenerationRequest).
void check_guidance_layer(int layer, std::int64_t depth);

// Throws UsageError or Error where request and model do not fit.
void check_generation(const model::InfinityConfig& config, const GenerationRequest& request);

// What the cache has to hold for a model on a schedule.
cache::CacheGeometry cache_geometry(const model::InfinityConfig& config, const Schedule& schedule);

}  // namespace scalekv::infinity
