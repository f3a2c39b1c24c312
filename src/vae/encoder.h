// Image -> latent map.
#pragma once

#include "model/vae_config.h"
#include "vae/coder.h"

namespace scalekv::vae {

class Encoder {
 public:
  // Takes encoder.* tensors. Throws Error naming a missing or misshapen one.
  Encoder(const model::VaeConfig& config, formats::WeightMap& weights);

  // image: [H, W, 3] in -1..1, H and W multiples of the stride -> [H / stride, W / stride, codebook].
  // Throws Error on other sizes. Stages for the tap: "conv_in", "down_m2_downsample" (the last downsample),
  // "down_last".
  Tensor encode(View<const float> image, const Tap& tap = {}) const;

  // The ledger's peak under `vae` while an image of height x width pixels is encoded with the present number of
  // threads, the result included.
  static std::int64_t predict_bytes(const model::VaeConfig& config, std::int64_t height, std::int64_t width);

 private:
  std::int64_t stride_;
  Coder coder_;
};

}  // namespace scalekv::vae
