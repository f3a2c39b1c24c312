// Latent map -> image.
#pragma once

#include "model/vae_config.h"
#include "vae/coder.h"

namespace scalekv::vae {

class Decoder {
 public:
  // Takes decoder.* tensors (names with .conv. / .norm. infixes). Throws Error naming a missing or misshapen one.
  Decoder(const model::VaeConfig& config, formats::WeightMap& weights);

  // latent: [h, w, codebook] -> image [h * stride, w * stride, 3] in -1..1 (clamped unless `raw`).
  // Stages for the tap: "conv_in", "mid1", "mid2", "up_last_blocks", "up_last_upsample" (the coarsest level), "raw".
  Tensor decode(View<const float> latent, bool raw = false, const Tap& tap = {}) const;

  // Before anything is built or allocated: the ledger's peak under `vae` while a latent map of height x width cells is
  // decoded with the present number of threads, the image included.
  static std::int64_t predict_bytes(const model::VaeConfig& config, std::int64_t height, std::int64_t width);

 private:
  std::int64_t codebook_;
  Coder coder_;
};

}  // namespace scalekv::vae
