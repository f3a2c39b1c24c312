#include "vae/coder.h"

#include "vae/maps.h"

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

std::int64_t Coder::predict_bytes(const std::vector<model::CoderLayer>& layers, std::int64_t height,
                                  std::int64_t width) {
  PassBytes pass(height, width);
  for (const model::CoderLayer& layer : layers) {
    switch (layer.kind) {
      case Kind::block:
        pass.block(layer.inputs, layer.outputs);
        break;
      case Kind::finish:
        pass.finish(layer.inputs, layer.outputs);
        break;
      case Kind::convolution:
      case Kind::upsample:
      case Kind::downsample:
        pass.convolve(layer.inputs, layer.outputs, layer.kind == Kind::upsample,
                      layer.kind == Kind::downsample ? 2 : 1);
    }
  }
  return pass.memory();
}

}  // namespace scalekv::vae
