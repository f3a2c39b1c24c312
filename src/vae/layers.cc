#include "vae/layers.h"

#include <algorithm>

#include "base/ceil_divide.h"
#include "base/error.h"

namespace scalekv::vae {
namespace {

using kernels::Conv2d;

// The current map becomes conv(x), a 1x1 convolution, in the same memory: bands of rows pass through a buffer, from the
// end on which the output does not reach rows that are still to be read.
void convolve_in_place(const Conv2d& conv, Maps& maps) {
  const std::int64_t height = maps.current().size(0), width = maps.current().size(1);
  const std::int64_t inputs = conv.input_channels(), outputs = conv.output_channels();
  maps.recast(std::max(inputs, outputs));
  float* memory = maps.current().data();
  const std::int64_t bands = ceil_divide(height, kBandRows);
  const std::int64_t band_bytes = std::min(kBandRows, height) * width * outputs * 4;
  if (maps.band().size() < band_bytes) maps.band().resize(band_bytes);
  auto* band = reinterpret_cast<float*>(maps.band().data());
  for (std::int64_t i = 0; i < bands; ++i) {
    const std::int64_t begin = (outputs <= inputs ? i : bands - 1 - i) * kBandRows;
    const std::int64_t rows = std::min(kBandRows, height - begin);
    const View<const float> x(memory + begin * width * inputs, {rows, width, inputs});
    const View<float> y(band, {rows, width, outputs});
    conv.run({x}, y, maps.scratch());
    std::copy_n(band, y.elements(), memory + begin * width * outputs);
  }
  maps.recast(outputs);
}

}  // namespace

void convolve(const Conv2d& conv, const kernels::ConvInput& x, Maps& maps) {
  const std::int64_t factor = x.doubled ? 2 : 1;
  const View<float> y = maps.spare(conv.output_height(factor * x.map.size(0)),
                                   conv.output_width(factor * x.map.size(1)), conv.output_channels());
  conv.run(x, y, maps.scratch());
  maps.advance();
}

Norm::Norm(const model::LayerTensors& tensors, const std::string& name) {
  const std::int64_t channels = tensors.shape(name + ".norm.weight")[0];
  groups_ = channels % 32 == 0 ? 32 : 24;
  if (channels % groups_ != 0)
    fail("{}: {} channels at {} divide into neither 32 nor 24 groups", tensors.description(), channels, name);
  weight_ = tensors.take(name + ".norm.weight");
  bias_ = tensors.take(name + ".norm.bias");
}

kernels::GroupNormTerms Norm::terms(View<const float> x) const {
  return kernels::group_norm_terms(x, groups_, weight_.view<float>(), bias_.view<float>(), 1e-6F);
}

Tensor finish(const Norm& norm, const Conv2d& conv, Maps& maps) {
  const View<const float> x = maps.current();
  const kernels::GroupNormTerms terms = norm.terms(x);
  Tensor y(DType::f32, {x.size(0), x.size(1), conv.output_channels()}, MemoryKind::vae);
  conv.run({.map = x, .norm_swish = &terms}, y.view<float>(), maps.scratch());
  return y;
}

ResidualBlock::ResidualBlock(const model::LayerTensors& tensors, const std::string& name)
    : norm1_(tensors, name + ".norm1"),
      norm2_(tensors, name + ".norm2"),
      conv1_(tensors.convolution(name + ".conv1")),
      conv2_(tensors.convolution(name + ".conv2")) {
  if (!tensors.has(name + ".nin_shortcut.conv.weight")) return;
  shortcut_ =
      tensors.convolution(name + ".nin_shortcut", {.pad_top = 0, .pad_left = 0, .pad_bottom = 0, .pad_right = 0});
}

void ResidualBlock::run(Maps& maps) const {
  const View<const float> x = maps.current();
  const View<float> hidden = maps.spare(x.size(0), x.size(1), conv1_.output_channels());
  const kernels::GroupNormTerms terms1 = norm1_.terms(x);
  conv1_.run({.map = x, .norm_swish = &terms1}, hidden, maps.scratch());
  if (!shortcut_.empty()) convolve_in_place(shortcut_, maps);
  const kernels::GroupNormTerms terms2 = norm2_.terms(hidden);
  conv2_.run({.map = hidden, .norm_swish = &terms2}, maps.current(), maps.scratch(), true);
}

}  // namespace scalekv::vae
