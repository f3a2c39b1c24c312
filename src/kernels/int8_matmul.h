// Products of matrices rounded to 8 bits with inputs that are rounded as they come.
#pragma once

#include "kernels/epilogue.h"
#include "kernels/int8_weight.h"
#include "runtime/tensor.h"

namespace scalekv::kernels {

// Inputs that are rounded under one scale.
constexpr std::int64_t kInt8Run = 512;

// y = epilogue(x W^T). x: [M, K], y: [M, N], rows may be strided. Each run of kInt8Run inputs of a row is rounded to
// integers under a scale of its own: of 8 bits where the machine multiplies and adds bytes (AVX-512 VNNI), else of 16,
// at the same speed. Sums of a run are exact, so rows, threads and tiles change nothing. A row of x that holds a NaN or
// an infinity gives a row of NaN.
void int8_matmul(View<const float> x, const Int8Weight& weight, const Epilogue& epilogue, View<float> y);

// What it takes for the rounded inputs, under `activations`, besides what every thread has of its own.
std::int64_t rounded_input_bytes(std::int64_t rows, std::int64_t inputs);

// The largest code that inputs are rounded to on this machine.
std::int64_t largest_input_code();

}  // namespace scalekv::kernels
