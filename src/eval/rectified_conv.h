// A convolution followed by max(0, x), which the networks of LPIPS and FID consist of.
#pragma once

#include "kernels/conv.h"

namespace scalekv::eval {

class RectifiedConv {
 public:
  RectifiedConv(const Tensor& weight, const Tensor& bias, const kernels::ConvGeometry& geometry)
      : conv_(weight, bias, geometry, MemoryKind::weights) {}

  // x: [H, W, I] -> [H', W', O].
  Tensor run(View<const float> x) const;

 private:
  kernels::Conv2d conv_;
};

}  // namespace scalekv::eval
