#include "vae/encoder.h"

#include "base/error.h"

namespace scalekv::vae {

Encoder::Encoder(const model::VaeConfig& config, formats::WeightMap& weights)
    : stride_(config.stride()),
      coder_(model::encoder_layers(config), model::LayerTensors(weights, model::vae_table(config).tensors)) {}

Tensor Encoder::encode(View<const float> image, const Tap& tap) const {
  if (image.rank() != 3 || image.size(2) != 3 || image.size(0) % stride_ != 0 || image.size(1) % stride_ != 0) {
    fail("the encoder was given an image of shape {}, expected [H, W, 3] in multiples of {}", image.shape().to_string(),
         stride_);
  }
  return coder_.run(image, tap);  // [h, w, codebook]
}

std::int64_t Encoder::predict_bytes(const model::VaeConfig& config, std::int64_t height, std::int64_t width) {
  return Coder::predict_bytes(model::encoder_layers(config), height, width);
}

}  // namespace scalekv::vae
