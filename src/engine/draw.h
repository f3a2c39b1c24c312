// The one loop over the scales: bits of scale after scale are drawn from the logits that a back end predicts, and add
// up to the latent maps that it decodes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "backend/backend.h"

namespace scalekv::engine {

// bits[scale][image]: [h, w, codebook] u8 at the VAE's resolution (twice the map's with patchify).
using BitMaps = std::vector<std::vector<Tensor>>;

// What an image's random numbers follow from.
struct ImageSeed {
  std::uint64_t seed = 0;
  std::uint32_t image = 0;  // tells the images of one seed apart
};

// The images that are drawn together. Everything is borrowed.
struct Batch {
  std::vector<View<const float>> texts;     // B, [length, text width]
  std::vector<View<const float>> negative;  // none, or B (an empty view: the learned unconditional text)
  std::vector<ImageSeed> seeds;             // B
  const BitMaps* forced = nullptr;          // teacher forcing: these bits instead of sampled ones
};

// What looks on. At every scale, in this order: what the session shows, logits, preview, progress. What is empty costs
// nothing.
struct Observers {
  // kept tokens, attention, clock, and the tap, which sees "wemb_in.s3", too.
  backend::SessionObservers session = {};
  // [B L, 2 bits], after temperature and guidance, before top-k and top-p.
  std::function<void(int scale, View<const float> logits)> logits = {};
  // The latent sums so far: B maps [H, W, codebook] of the last scale's size, for Backend::decode.
  std::function<void(int scale, const std::vector<Tensor>& latents)> preview = {};
  // The scale is done; false cancels.
  std::function<bool(int scale)> progress = {};
};

struct Drawn {
  std::vector<Tensor> latents;  // B maps [H, W, codebook]: what Backend::decode takes
  BitMaps bits;
};

// Throws UsageError or Error where request and model do not fit, Error on logits that are no numbers, and Cancelled
// when an observer says so.
Drawn draw(const backend::Backend& backend, const infinity::GenerationRequest& request, const Batch& batch,
           const Observers& observers = {});

}  // namespace scalekv::engine
