#include "vae/layers.h"

#include "core/error.h"
#include "kernels/norms.h"

namespace scalekv::vae {

kernels::Conv2d take_conv(checkpoint::WeightMap& weights, const std::string& name, std::int64_t inputs,
                          std::int64_t outputs, std::int64_t kernel, const kernels::ConvGeometry& geometry) {
  return kernels::Conv2d(weights.take(name + ".conv.weight", {outputs, inputs, kernel, kernel}),
                         weights.take(name + ".conv.bias", {outputs}), geometry, MemoryKind::weights);
}

Tensor make_map(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return Tensor(DType::f32, {height, width, channels}, MemoryKind::vae);
}

Tensor convolve(const kernels::Conv2d& conv, const Tensor& x) {
  Tensor y = make_map(conv.output_height(x.shape()[0]), conv.output_width(x.shape()[1]), conv.output_channels());
  conv.run(x.view<float>(), y.view<float>());
  return y;
}

Norm::Norm(checkpoint::WeightMap& weights, const std::string& name, std::int64_t channels) {
  groups_ = channels % 32 == 0 ? 32 : 24;
  if (channels % groups_ != 0)
    fail("{}: {} channels at {} divide into neither 32 nor 24 groups", weights.description(), channels, name);
  weight_ = weights.take_float(name + ".norm.weight", {channels}, MemoryKind::weights);
  bias_ = weights.take_float(name + ".norm.bias", {channels}, MemoryKind::weights);
}

void Norm::run(View<const float> x, View<float> y) const {
  kernels::group_norm(x, groups_, weight_.view<float>(), bias_.view<float>(), 1e-6F, true, y);
}

ResidualBlock::ResidualBlock(checkpoint::WeightMap& weights, const std::string& name, std::int64_t inputs,
                             std::int64_t outputs)
    : norm1_(weights, name + ".norm1", inputs),
      norm2_(weights, name + ".norm2", outputs),
      conv1_(take_conv(weights, name + ".conv1", inputs, outputs, 3)),
      conv2_(take_conv(weights, name + ".conv2", outputs, outputs, 3)) {
  if (inputs != outputs) {
    shortcut_ = take_conv(weights, name + ".nin_shortcut", inputs, outputs, 1,
                          {.pad_top = 0, .pad_left = 0, .pad_bottom = 0, .pad_right = 0});
  }
}

Tensor ResidualBlock::run(Tensor x) const {
  Tensor normed = make_map(x.shape()[0], x.shape()[1], x.shape()[2]);
  norm1_.run(x.view<float>(), normed.view<float>());
  Tensor hidden = convolve(conv1_, normed);
  normed = Tensor();
  norm2_.run(hidden.view<float>(), hidden.view<float>());
  Tensor sum = shortcut_.empty() ? std::move(x) : convolve(shortcut_, x);
  conv2_.run(hidden.view<float>(), sum.view<float>(), true);
  return sum;
}

}  // namespace scalekv::vae
