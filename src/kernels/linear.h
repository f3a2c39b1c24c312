// Linear layers: y = activation(x W^T + bias).
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/epilogue.h"
#include "kernels/int8_weight.h"
#include "runtime/tensor.h"
#include "runtime/weight_type.h"

namespace scalekv::kernels {

// What happens to x W^T + bias before it is written.
struct LinearOptions {
  Activation activation = Activation::none;
  // y += ... instead of y = ...
  bool accumulate = false;
  // [G, N] where G divides M: what is written or added in run r of M / G rows is multiplied with row r. Empty: 1.
  View<const float> gate = {};
};

// A layer whose weight was laid out once, at construction, the way its kernel likes it, or is used as it is. Immutable
// and thread safe. The result of a row depends neither on the number of rows it is computed with, nor on its place
// among them, nor on the thread count (so that batches and threads do not change pictures).
class Linear {
 public:
  Linear() = default;
  // weight: [N, K] float32, bfloat16 or float16, held as `type`; bias: [N] of the same types, or an empty tensor.
  // The layer keeps its own copy, in the ledger under `kind`; a bfloat16 weight of a mapped file that is to be held as
  // bf16 is used where it lies (and is in the ledger all the same). `outliers`: inputs have some, so that rounding to
  // int8 rotates them first (Int8Weight::rotation).
  Linear(const Tensor& weight, const Tensor& bias, MemoryKind kind, WeightType type = WeightType::f32,
         bool outliers = false);
  // The same of a weight that is rounded already, which is used where it lies (and is in the ledger wherever that is).
  Linear(Int8Weight weight, const Tensor& bias, MemoryKind kind);

  // What a layer of this shape keeps of weight and bias, as the ledger has them.
  static std::int64_t predict_bytes(std::int64_t inputs, std::int64_t outputs, bool biased, WeightType type);

  // What run() takes for the rounded inputs of int8 weights, under `activations`; 0 for other weights.
  static std::int64_t predict_input_bytes(std::int64_t rows, std::int64_t inputs, WeightType type);

  std::int64_t outputs() const;  // N
  bool empty() const { return impl_ == nullptr; }

  // x: [M, K], y: [M, N], both contiguous: for columns of a wider map oneDNN has nothing but its reference code. They
  // must not overlap. Throws Error where sizes do not fit.
  void run(View<const float> x, View<float> y, const LinearOptions& options = {}) const;

 private:
  struct Impl;
  static std::shared_ptr<Impl> make(const Shape& weight, const Tensor& bias, MemoryKind kind);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace scalekv::kernels
