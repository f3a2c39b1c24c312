// The VAE's halves: layers, one after the other.
#pragma once

#include <optional>
#include <vector>

#include "model/vae_config.h"
#include "runtime/tap.h"
#include "vae/layers.h"

namespace scalekv::vae {

class Coder {
 public:
  Coder(const std::vector<model::CoderLayer>& layers, const model::LayerTensors& tensors);

  // x: [H, W, inputs of the first layer] -> [H', W', outputs of the last one]; the tap is told the layers' stages.
  Tensor run(View<const float> x, const Tap& tap) const;

  // The ledger's peak under `vae` while a map of height x width runs through these layers with the present number of
  // threads, the result included.
  static std::int64_t predict_bytes(const std::vector<model::CoderLayer>& layers, std::int64_t height,
                                    std::int64_t width);

 private:
  struct Step {
    model::CoderLayer layer;
    std::optional<ResidualBlock> block = {};  // of a block; of other kinds the convolution, after the norm of the last
    kernels::Conv2d conv = {};
    Norm norm = {};
  };
  std::vector<Step> steps_;
};

// Latent map -> image.
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

// Image -> latent map.
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
