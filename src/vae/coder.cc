#include "vae/coder.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace scalekv::vae {

using Kind = model::CoderLayer::Kind;

Coder::Coder(const std::vector<model::CoderLayer>& layers, const model::LayerTensors& tensors) {
  // Padded right and below only, as the reference does.
  constexpr kernels::ConvGeometry kHalving{.stride = 2, .pad_top = 0, .pad_left = 0, .pad_bottom = 1, .pad_right = 1};
  for (const model::CoderLayer& layer : layers) {
    Step& step = steps_.emplace_back(Step{.layer = layer});
    switch (layer.kind) {
      case Kind::block:
        step.block.emplace(tensors, layer.name);
        break;
      case Kind::finish:
        step.norm = Norm(tensors, layer.name + ".norm_out");
        step.conv = tensors.convolution(layer.name + ".conv_out");
        break;
      case Kind::downsample:
        step.conv = tensors.convolution(layer.name, kHalving);
        break;
      case Kind::convolution:
      case Kind::upsample:
        step.conv = tensors.convolution(layer.name);
    }
  }
}

Tensor Coder::run(View<const float> x, const Tap& tap) const {
  Maps maps;
  Tensor result;
  View<const float> map = x;
  for (const Step& step : steps_) {
    if (step.layer.kind == Kind::finish) {
      result = finish(step.norm, step.conv, maps);
      map = result.view<float>();
    } else {
      if (step.block) {
        step.block->run(maps);
      } else {
        convolve(step.conv, {.map = map, .doubled = step.layer.kind == Kind::upsample}, maps);
      }
      map = maps.current();
    }
    if (tap && *step.layer.stage != '\0') tap(step.layer.stage, map);
  }
  return result;
}

// Follows run(): a convolution writes into the other buffer, a block holds its first convolution's output there.
std::int64_t Coder::predict_bytes(const std::vector<model::CoderLayer>& layers, std::int64_t height,
                                  std::int64_t width) {
  constexpr std::int64_t kFloatBytes = 4;
  std::array<std::int64_t, 2> buffers{};
  std::int64_t scratch = 0, band = 0, result = 0;
  std::size_t active = 0;
  const auto grow = [](std::int64_t& bytes, std::int64_t needed) { bytes = std::max(bytes, needed); };
  for (const auto& [kind, name, inputs, outputs, cells, stage] : layers) {
    if (kind == Kind::upsample) height *= 2, width *= 2;
    if (kind == Kind::downsample) height /= 2, width /= 2;
    const std::int64_t map = height * width * outputs * kFloatBytes;
    grow(scratch, kernels::Conv2d::scratch_bytes(inputs, outputs, 3, kind == Kind::downsample ? 2 : 1));
    if (kind == Kind::finish) {
      result = map;
    } else if (kind == Kind::block) {
      grow(buffers[1 - active], map);
      grow(scratch, kernels::Conv2d::scratch_bytes(outputs, outputs, 3, 1));
      if (inputs == outputs) continue;
      grow(buffers[active], map);
      grow(band, std::min(kBandRows, height) * width * outputs * kFloatBytes);
      grow(scratch, kernels::Conv2d::scratch_bytes(inputs, outputs, 1, 1));
    } else {
      active = 1 - active;
      grow(buffers[active], map);
    }
  }
  return buffers[0] + buffers[1] + scratch + band + result;
}

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
