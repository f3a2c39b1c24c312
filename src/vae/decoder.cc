#include "vae/decoder.h"

#include <algorithm>

#include "base/error.h"

namespace scalekv::vae {

Decoder::Decoder(const model::VaeConfig& config, formats::WeightMap& weights)
    : codebook_(config.codebook),
      coder_(model::decoder_layers(config), model::LayerTensors(weights, model::vae_table(config).tensors)) {}

Tensor Decoder::decode(View<const float> latent, bool raw, const Tap& tap) const {
  if (latent.rank() != 3 || latent.size(2) != codebook_) {
    fail("the decoder was given a latent map of shape {}, expected [h, w, {}]", latent.shape().to_string(), codebook_);
  }
  Tensor image = coder_.run(latent, tap);  // [H, W, 3]
  if (!raw) {
    float* values = image.view<float>().data();
    std::transform(values, values + image.elements(), values, [](float x) { return std::clamp(x, -1.0F, 1.0F); });
  }
  return image;
}

std::int64_t Decoder::predict_bytes(const model::VaeConfig& config, std::int64_t height, std::int64_t width) {
  return Coder::predict_bytes(model::decoder_layers(config), height, width);
}

}  // namespace scalekv::vae
