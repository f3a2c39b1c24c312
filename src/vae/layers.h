// What encoder and decoder are made of. Maps are [H, W, C].
#pragma once

#include <string>

#include "checkpoint/weight_map.h"
#include "core/tensor.h"
#include "kernels/conv.h"

namespace scalekv::vae {

// `name`.conv.weight [outputs, inputs, kernel, kernel] and `name`.conv.bias; padded to keep the size unless told.
kernels::Conv2d take_conv(checkpoint::WeightMap& weights, const std::string& name, std::int64_t inputs,
                          std::int64_t outputs, std::int64_t kernel, const kernels::ConvGeometry& geometry = {});

// A map for a layer's output, in the ledger under `vae`.
Tensor make_map(std::int64_t height, std::int64_t width, std::int64_t channels);

// Output of a convolution as a new map.
Tensor convolve(const kernels::Conv2d& conv, const Tensor& x);

// GroupNorm followed by swish (y may be x): 32 groups where the channels divide by 32, else 24.
class Norm {
 public:
  Norm() = default;
  // Throws Error where the channels divide by neither 32 nor 24.
  Norm(checkpoint::WeightMap& weights, const std::string& name, std::int64_t channels);
  void run(View<const float> x, View<float> y) const;

 private:
  Tensor weight_, bias_;  // [C]
  int groups_ = 0;
};

// x + conv2(swish(norm2(conv1(swish(norm1(x)))))), with a 1x1 convolution on x where the channels change.
class ResidualBlock {
 public:
  ResidualBlock(checkpoint::WeightMap& weights, const std::string& name, std::int64_t inputs, std::int64_t outputs);
  Tensor run(Tensor x) const;

 private:
  Norm norm1_, norm2_;
  kernels::Conv2d conv1_, conv2_, shortcut_;
};

}  // namespace scalekv::vae
