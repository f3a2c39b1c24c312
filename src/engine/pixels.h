// Between pictures and the VAE's pixels.
#pragma once

#include "runtime/tensor.h"
#include "scalekv/image.h"

namespace scalekv::engine {

// [H, W, 3] in -1..1 -> 8 bits a channel, cut off (not rounded) as the reference does. Values outside are clamped.
Image to_image(View<const float> pixels);

// Cut at the centre to the aspect of height x width, resized (area mean down, linear up), in -1..1: [height, width, 3].
Tensor to_pixels(const Image& image, std::int64_t height, std::int64_t width);

}  // namespace scalekv::engine
