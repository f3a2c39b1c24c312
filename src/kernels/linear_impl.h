// The ways to hold a linear layer's weight and to multiply with it; Linear chooses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/epilogue.h"
#include "runtime/tensor.h"

namespace scalekv::kernels {

class LinearImpl {
 public:
  virtual ~LinearImpl() = default;
  virtual std::int64_t weight_bytes() const = 0;
  // y = epilogue(x W^T); x: [M, K], y: [M, N], M > 0.
  virtual void run(View<const float> x, View<float> y, const Epilogue& epilogue) const = 0;
};

// The implementation in oneDNN that serves float32 weights of this shape on this machine, whatever the rows and the
// epilogue: "brg:avx512_core". Empty where there is none that keeps rows independent of each other.
std::string onednn_implementation(std::int64_t inputs, std::int64_t outputs);
// weight: [N, K] float32.
std::unique_ptr<LinearImpl> make_onednn_linear(const Tensor& weight, MemoryKind kind);
std::int64_t onednn_linear_bytes(std::int64_t inputs, std::int64_t outputs);

}  // namespace scalekv::kernels
