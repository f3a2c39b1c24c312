// Products of matrices rounded to 8 bits with inputs that are rounded row by row as they come.
#pragma once

#include "core/tensor.h"
#include "kernels/epilogue.h"
#include "kernels/int8_weight.h"

namespace scalekv::kernels {

// y = epilogue(x W^T). x: [M, K], y: [M, N], rows may be strided. Each row of x is rounded to integers under a scale of
// its own: 8 bits where the machine multiplies bytes (AVX-512 VNNI), else as many of 16 bits as sums of 32 bits have
// room for, at the same speed. Sums are exact, so rows, threads and tiles change nothing. A row of x that holds a NaN
// or an infinity gives a row of NaN.
void int8_matmul(View<const float> x, const Int8Weight& weight, const Epilogue& epilogue, View<float> y);

// The largest code that inputs are rounded to on this machine, for rows of K numbers.
std::int64_t largest_input_code(std::int64_t inputs);

}  // namespace scalekv::kernels
