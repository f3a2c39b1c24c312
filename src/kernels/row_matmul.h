// Our own matrix product, for machines on which oneDNN's does not keep rows independent of each other, and for weights
// in bfloat16.
#pragma once

#include <cstdint>

#include "kernels/epilogue.h"
#include "runtime/tensor.h"

namespace scalekv::kernels {

// weight: [N, K] of a float type -> float32 panels of 16 outputs, [ceil(N / 16)][K][16], filled up with zeros.
Tensor pack_panels(const Tensor& weight, MemoryKind kind);
// Bytes that they take.
std::int64_t panel_bytes(std::int64_t inputs, std::int64_t outputs);

// y = epilogue(x W^T). panels: from pack_panels. x: [M, K], y: [M, N], rows may be strided. Every sum is one chain of
// float32 multiply-adds in the order of K, so rows, threads and tiles change nothing, and weights that are bfloat16
// numbers give the same bits in either product.
void row_matmul(View<const float> x, const Tensor& panels, const Epilogue& epilogue, View<float> y);
// The same with a weight [N, K] as it lies in a file; it is widened piece by piece.
void bfloat16_matmul(View<const float> x, View<const BFloat16> weight, const Epilogue& epilogue, View<float> y);

}  // namespace scalekv::kernels
