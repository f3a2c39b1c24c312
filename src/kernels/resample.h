// Resampling of maps, as PyTorch's interpolate does it. Maps are [H, W, C] contiguous (channels last).
#pragma once

#include "runtime/tensor.h"

namespace scalekv::kernels {

// Linear in both directions, align_corners false, no antialiasing, up or down (mode "trilinear" with depth 1).
// accumulate: y += result.
void resample_linear(View<const float> x, View<float> y, bool accumulate = false);

// Mean over the input cells that each output cell covers (mode "area", adaptive average pooling).
void resample_area(View<const float> x, View<float> y);

// [2h, 2w, d] -> [h, w, 4d], channel c*4 + i*2 + j from cell (2y + i, 2x + j).
void pixel_unshuffle_2x(View<const float> x, View<float> y);

}  // namespace scalekv::kernels
