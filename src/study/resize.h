// Resizing with a filter that widens as the picture shrinks, as Pillow and PyTorch's antialiased modes do it.
#pragma once

#include "runtime/tensor.h"
#include "scalekv/image.h"

namespace scalekv::study {

enum class ResizeFilter : std::uint8_t { bilinear, bicubic };  // bicubic with a = -0.5

// A picture's values, 0..255, resized but neither clipped nor rounded: [height, width, 3]. Sums in float64, first along
// rows, then along columns.
Tensor resize(const Image& image, std::int64_t height, std::int64_t width, ResizeFilter filter);

// What clean-fid shows to Inception: bicubic, 299x299, clipped to 0..255, not rounded.
Tensor inception_input(const Image& image);

// What the reference's evaluation makes of photographs (torchvision's Resize on bytes): bilinear, rounded half to even.
Image resize_photograph(const Image& image, std::int64_t height, std::int64_t width);

}  // namespace scalekv::study
