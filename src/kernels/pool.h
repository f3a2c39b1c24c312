// Pooling over windows of 3x3. Maps are [H, W, C] contiguous (channels last).
#pragma once

#include <cstdint>

#include "runtime/tensor.h"

namespace scalekv::kernels {

// Largest value of each window; y: [(H + 2 padding - 3) / stride + 1, ..., C]. Padding holds no value.
void max_pool_3x3(View<const float> x, std::int64_t stride, std::int64_t padding, View<float> y);

// Mean of the cells of each window that lie in the map (padding 1 is not counted), stride 1; y: [H, W, C].
void mean_pool_3x3(View<const float> x, View<float> y);

}  // namespace scalekv::kernels
