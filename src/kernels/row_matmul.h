// Our own matrix product, for machines on which oneDNN's does not keep rows independent of each other.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace scalekv::kernels {

// weight: [N, K] float32 -> panels of 16 outputs, [ceil(N / 16)][K][16], filled up with zeros.
Tensor pack_panels(const Tensor& weight, MemoryKind kind);

// y = x W^T + bias (bias: [N] or nullptr), or y += that. panels: from pack_panels. x: [M, K], y: [M, N], rows may be
// strided. Every element is one chain of multiply-adds in the order of K, so rows, threads and tiles change nothing.
void row_matmul(View<const float> x, const Tensor& panels, const float* bias, View<float> y, bool accumulate);

}  // namespace scalekv::kernels
