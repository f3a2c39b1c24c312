// What encoder and decoder are made of. Maps are [H, W, C].
#pragma once

#include <string>

#include "kernels/conv.h"
#include "model/layer_tensors.h"
#include "runtime/tensor.h"
#include "vae/maps.h"

namespace scalekv::vae {

// The current map becomes the convolution of `x`, which may be the current map.
void convolve(const kernels::Conv2d& conv, const kernels::ConvInput& x, Maps& maps);

// GroupNorm: 32 groups where the channels divide by 32, else 24.
class Norm {
 public:
  Norm() = default;
  // Throws Error where the channels divide by neither 32 nor 24.
  Norm(const model::LayerTensors& tensors, const std::string& name);
  kernels::GroupNormTerms terms(View<const float> x) const;

 private:
  Tensor weight_, bias_;  // [C]
  int groups_ = 0;
};

// norm, swish and convolution of the current map, in a tensor of its own.
Tensor finish(const Norm& norm, const kernels::Conv2d& conv, Maps& maps);

// x + conv2(swish(norm2(conv1(swish(norm1(x)))))), with a 1x1 convolution on x where the channels change. Besides x it
// holds conv1's output; x itself becomes the sum, in place.
class ResidualBlock {
 public:
  ResidualBlock(const model::LayerTensors& tensors, const std::string& name);
  void run(Maps& maps) const;

 private:
  Norm norm1_, norm2_;
  kernels::Conv2d conv1_, conv2_, shortcut_;
};

}  // namespace scalekv::vae
