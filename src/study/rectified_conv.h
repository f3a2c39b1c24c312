// A convolution followed by max(0, x), which the networks of LPIPS and FID consist of.
#pragma once

#include "kernels/conv.h"
#include "kernels/linear.h"

namespace scalekv::study {

class RectifiedConv {
 public:
  // weight: [O, I, h, w]; bias: [O]. Long kernels (1x7, 3x1) have stride 1.
  RectifiedConv(const Tensor& weight, const Tensor& bias, const kernels::ConvGeometry& geometry);

  // x: [H, W, I] -> [H', W', O].
  Tensor run(View<const float> x) const;

 private:
  // The cells under the kernel at every place: [H' W', h w I].
  Tensor gather(View<const float> x, std::int64_t height, std::int64_t width) const;

  std::int64_t height_, width_;  // of the kernel
  kernels::ConvGeometry geometry_;
  kernels::Conv2d square_;
  // The same on gathered cells: for the kernels that Conv2d does not take, and for 1x1, where nothing is to be gathered
  // and a product over the whole map reads the weights once instead of once a row.
  kernels::Linear product_;
};

}  // namespace scalekv::study
