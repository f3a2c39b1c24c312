// Multi-scale binary spherical quantisation: bits <-> codes (Infinity, arXiv 2412.04431, section 3.2; BSQ, 2406.07548).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/map_size.h"
#include "runtime/tensor.h"

namespace scalekv::vae {

// bits: [h, w, d] of 0 / 1 -> codes: [h, w, d] of -+1/sqrt(d).
void bits_to_codes(View<const std::uint8_t> bits, View<float> codes);

// sum: [H, W, d] += codes [h, w, d], linearly resampled to H x W (added as they are where sizes agree).
void accumulate_codes(View<const float> codes, View<float> sum);

struct Quantized {
  std::vector<Tensor> bits;       // per scale [h, w, d] u8
  Tensor sum;                     // [H, W, d]: what the decoder gets
  std::vector<Tensor> residuals;  // per scale [h, w, d]: what the sign was taken of; kept on request only
};

// features: [H, W, d], the encoder's output; scales: sizes in latent cells, the last being H x W. Per scale: the
// residual is area-resampled to the scale, its signs are the bits (0 counts as 0), and their codes are subtracted.
// Throws Error where the last scale is not H x W.
Quantized quantize(View<const float> features, std::span<const MapSize> scales, bool keep_residuals = false);

}  // namespace scalekv::vae
