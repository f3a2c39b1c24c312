// Matrices rounded to 8 bits, one scale per output.
#pragma once

#include <cstdint>

#include "runtime/tensor.h"

namespace scalekv::kernels {

// W[n][k] is about codes[n][k] * scales[n], codes in -127..127.
struct Int8Weight {
  Tensor codes;   // [N, K] i8
  Tensor scales;  // [N] f32
  // Where over 1, inputs and the rows of W change some signs and are multiplied with a Walsh-Hadamard matrix before
  // they are rounded: both as [K / (4 rotation)][rotation][4], along the middle (docs/FORMATS.md). Products stay what
  // they were, outliers of the inputs and their mean are spread (as QuaRot does, arXiv 2404.00456, with random signs).
  std::int64_t rotation = 1;
};

// The longest rotation that a row of this many inputs allows: a power of two, 1 where there is none.
std::int64_t longest_rotation(std::int64_t inputs);

// Rounds `count` numbers, rotated or not, to codes[k] = round(row[k] / scale) with scale = max |row| / 127, which is
// returned. `row` is overwritten. A row without a finite maximum has the scale NaN and codes 0.
float quantise_weight_row(View<float> row, std::int64_t rotation, std::int8_t* codes);

// weight: [N, K] of a float type.
Int8Weight quantise_weight(const Tensor& weight, std::int64_t rotation, MemoryKind kind);

}  // namespace scalekv::kernels
