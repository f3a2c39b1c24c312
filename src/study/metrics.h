// How far two pictures are apart.
#pragma once

#include "scalekv/image.h"

namespace scalekv::study {

// Throws Error where sizes differ, as all that follow do.
void check_sizes(const Image& a, const Image& b);

// Peak signal-to-noise ratio in dB over all channels of 8-bit pictures; infinite for equal ones.
double psnr(const Image& a, const Image& b);

// Structural similarity (Wang et al. 2004): 11x11 Gaussian window of sigma 1.5, K = (0.01, 0.03), pictures mirrored
// at their edges, the mean over channels and pixels, as torchmetrics 1.9 has it. Throws Error where a side is
// shorter than the window.
double ssim(const Image& a, const Image& b);

// Absolute differences, four times amplified: black where the pictures agree.
Image difference_image(const Image& a, const Image& b);

}  // namespace scalekv::study
