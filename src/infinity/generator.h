// The autoregressive loop: scale after scale, texts become bits and bits become the latent maps that the VAE decodes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cache/policy.h"
#include "infinity/sampler.h"
#include "infinity/schedule.h"
#include "infinity/transformer.h"
#include "runtime/tap.h"

namespace scalekv::infinity {

// bits[scale][image]: [h, w, codebook] u8 at the VAE's resolution (twice the map's with patchify).
using BitMaps = std::vector<std::vector<Tensor>>;

// What an image's random numbers follow from.
struct ImageSeed {
  std::uint64_t seed = 0;
  std::uint32_t image = 0;  // tells the images of one seed apart
};

struct GenerationRequest {
  Schedule schedule;
  std::vector<Tensor> texts;     // B texts, [length, text width]
  std::vector<Tensor> negative;  // empty, or B (an empty tensor: the learned unconditional text)
  std::vector<float> cfg;        // guidance per scale; 1 everywhere: no second half at all
  std::vector<float> tau;        // temperature per scale
  int guidance_layer = 0;        // 0: guidance on the logits; k > 0: on the output of the layer k before the end
  SamplingOptions sampling;
  std::vector<ImageSeed> seeds;  // B
  cache::Policy policy;
  kernels::KvPrecision kv = kernels::KvPrecision::f32;  // of the cache
  bool keep_last = false;           // compress after the last scale, too, as the reference does; for checking
  const BitMaps* forced = nullptr;  // teacher forcing: these bits instead of sampled ones
};

struct GenerationHooks {
  // After every scale, with the latent sums so far (B maps [H, W, codebook]). false cancels.
  std::function<bool(int scale, const std::vector<Tensor>& latents)> progress;
  // "x_in.s3", "wemb_in.s3", "block2.s3", "head_raw.s3", "logits.s3" (after temperature and guidance), "txt.*".
  Tap tap;
  SelectionObserver observer;
  AttentionObserver attention_observer = {};
  StageClock* clock = nullptr;  // charged with what the scales take, where there is one
};

struct Generation {
  std::vector<Tensor> latents;  // B maps [H, W, codebook]: the VAE's input
  BitMaps bits;
};

// Throws UsageError unless guidance can act so many layers before the end of `depth` (GenerationRequest).
void check_guidance_layer(int layer, std::int64_t depth);

// Throws Error where request and model do not fit, and Cancelled when a hook says so.
Generation generate(const Transformer& transformer, const GenerationRequest& request,
                    const GenerationHooks& hooks = {});

// What the cache has to hold for a model on a schedule.
cache::CacheGeometry cache_geometry(const model::InfinityConfig& config, const Schedule& schedule);

}  // namespace scalekv::infinity
