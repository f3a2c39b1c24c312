// Where a model runs. The host owns what a picture is: texts, schedule, policy, keep plan, random bits, latents, files.
// A back end owns weights, activations and the cache, and answers scale by scale: latent tokens in, guided logits out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "cache/keep_plan.h"
#include "formats/weight_map.h"
#include "infinity/block.h"
#include "infinity/generation_request.h"
#include "model/vae_config.h"
#include "runtime/stopwatch.h"
#include "runtime/tap.h"
#include "runtime/weight_type.h"

namespace scalekv::backend {

struct Facts {
  std::string name;    // "cpu"
  std::string device;  // which one, and what of it decides the last bits of a sum
};

// What looks on while a session runs. What is empty is not called, and costs nothing.
struct SessionObservers {
  // "x_in.s3", "block2.s3", "head_raw.s3", "txt.*".
  Tap tap = {};
  cache::SelectionObserver kept = {};
  cache::AttentionObserver attention = {};
  StageClock* clock = nullptr;  // charged with what the scales take, where there is one
};

// All that a session has to know before its first scale. Everything is borrowed, and outlives it.
struct SessionInput {
  const infinity::GenerationRequest& request;
  const cache::KeepPlan& keep_plan;
  std::span<const View<const float>> texts;     // B, [length, text width]
  std::span<const View<const float>> negative;  // none, or B (an empty view: the learned unconditional text)
};

// One generation of B images. What it allocates goes when it goes.
class Session {
 public:
  virtual ~Session() = default;
  // tokens: [B L, bits], the pictures so far at this scale; empty at scale 0. Returns [B L, 2 bits]: the logits after
  // temperature and guidance. Scales come in order.
  virtual Tensor predict(int scale, Tensor tokens) = 0;
};

// Bytes, as the ledger counts them: the peak of each kind.
struct SessionBytes {
  std::int64_t kv = 0;
  std::int64_t activations = 0;  // the host's latents, bits and logits included
  std::int64_t text = 0;         // besides the features, which the host holds
};

// The transformer and the VAE's decoder of one model on one device.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual Facts facts() const = 0;

  // Before any weight is loaded: what a session of `images` images takes whose texts have `text_tokens` tokens in all,
  // unconditional ones included, the transformer's matrices held as `weights`.
  virtual SessionBytes plan_session(const model::InfinityConfig& config, const infinity::GenerationRequest& request,
                                    const cache::KeepPlan& keep_plan, std::int64_t images, std::int64_t text_tokens,
                                    WeightType weights) const = 0;
  // The same of decode().
  virtual std::int64_t plan_decoding(const model::VaeConfig& config, MapSize latent) const = 0;

  // Take every tensor of the transformer, and those of the decoder. Throw Error naming one that is missing, misshapen
  // or of another part.
  virtual void load(const model::InfinityConfig& config, formats::WeightMap& transformer, WeightType type) = 0;
  virtual void load(const model::VaeConfig& config, formats::WeightMap& vae) = 0;

  // Of the transformer that was loaded.
  virtual const model::InfinityConfig& config() const = 0;
  virtual std::unique_ptr<Session> start(const SessionInput& input, const SessionObservers& observers) const = 0;

  // A latent map [h, w, codebook] -> pixels [H, W, 3], unclamped.
  virtual Tensor decode(View<const float> latent) const = 0;
};

}  // namespace scalekv::backend
