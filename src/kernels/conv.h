// 2-D convolution through oneDNN, on NHWC maps.
#pragma once

#include <cstdint>
#include <memory>

#include "core/tensor.h"

namespace scalekv::kernels {

struct ConvGeometry {
  std::int64_t stride = 1;
  std::int64_t pad_top = 1, pad_left = 1, pad_bottom = 1, pad_right = 1;
};

// A layer whose weight was laid out once. Immutable and thread safe; results do not depend on the thread count.
class Conv2d {
 public:
  Conv2d() = default;
  // weight: [O, I, kh, kw] float32, bfloat16 or float16 (held as float32); bias: [O] or empty.
  Conv2d(const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry, MemoryKind kind);

  std::int64_t input_channels() const;
  std::int64_t output_channels() const;
  bool empty() const { return impl_ == nullptr; }
  // Height or width of the output for an input of `size`.
  std::int64_t output_height(std::int64_t height) const;
  std::int64_t output_width(std::int64_t width) const;

  // x: [H, W, I] contiguous; y: [H', W', O] contiguous. accumulate: y += result (a residual sum without another pass).
  // Throws Error where sizes do not fit.
  void run(View<const float> x, View<float> y, bool accumulate = false) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace scalekv::kernels
