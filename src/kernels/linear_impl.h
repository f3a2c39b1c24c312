// The ways to multiply with a linear layer's weight; Linear chooses.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernels/epilogue.h"
#include "runtime/tensor.h"

namespace scalekv::kernels {

// y = epilogue(x W^T) with a weight that it holds; x: [M, K], y: [M, N], M > 0.
using LinearProduct = std::function<void(View<const float> x, View<float> y, const Epilogue& epilogue)>;

// The implementation in oneDNN that serves float32 weights of this shape on this machine, whatever the rows and the
// epilogue: "brg:avx512_core". Empty where there is none that keeps rows independent of each other.
std::string onednn_implementation(std::int64_t inputs, std::int64_t outputs);
// weight: [N, K] float32.
LinearProduct make_onednn_product(const Tensor& weight, MemoryKind kind);
// Bytes of the weight that it holds.
std::int64_t onednn_weight_bytes(std::int64_t inputs, std::int64_t outputs);

}  // namespace scalekv::kernels
