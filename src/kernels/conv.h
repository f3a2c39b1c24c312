// 2-D convolution on NHWC maps.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/group_norm.h"
#include "runtime/grow_buffer.h"
#include "runtime/tensor.h"

namespace scalekv::kernels {

struct ConvGeometry {
  std::int64_t stride = 1;
  std::int64_t pad_top = 1, pad_left = 1, pad_bottom = 1, pad_right = 1;
};

// What a convolution reads: `map` [H, W, I] contiguous; every cell normalised and swished as it is read, where there is
// a norm, and standing for 2x2 cells where `doubled`. Neither exists as a map in memory.
struct ConvInput {
  View<const float> map;
  const GroupNormTerms* norm_swish = nullptr;
  bool doubled = false;
};

// A layer whose weight was laid out once. Immutable and thread safe. 3x3 kernels of stride 1 run as Winograd's
// F(4x4, 3x3) on tiles that lie at multiples of 4, others as plain sums, and every output is computed in the same way
// whatever the number of threads.
class Conv2d {
 public:
  Conv2d() = default;
  // weight: [O, I, kh, kw] float32, bfloat16 or float16 (held as float32); bias: [O] or empty.
  Conv2d(const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry, MemoryKind kind);

  // What the layer keeps: its weight, channels rounded up, and its bias.
  static std::int64_t weight_bytes(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel);
  // What run() makes `scratch` hold at the present number of threads.
  static std::int64_t scratch_bytes(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel,
                                    std::int64_t stride);

  std::int64_t input_channels() const;
  std::int64_t output_channels() const;
  bool empty() const { return impl_ == nullptr; }
  // Height or width of the output for an input of `size`.
  std::int64_t output_height(std::int64_t height) const;
  std::int64_t output_width(std::int64_t width) const;

  // y: [H', W', O] contiguous, not in x's memory. accumulate: y += result (a residual sum without another pass).
  // scratch: memory to work in, grown to what is needed. Throws Error where sizes do not fit.
  void run(const ConvInput& x, View<float> y, GrowBuffer& scratch, bool accumulate = false) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace scalekv::kernels
