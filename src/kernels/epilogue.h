// What happens to a matrix product before it is written.
#pragma once

#include <cstdint>

#include "runtime/tensor.h"

namespace scalekv::kernels {

enum class Activation : std::uint8_t { none, gelu_tanh };

// y = (y +) gate * activation(x W^T + bias), in one pass over y.
struct Epilogue {
  const float* bias = nullptr;  // [N]; nullptr: 0
  Activation activation = Activation::none;
  bool accumulate = false;
  // [G, N]: rows of y in G equal runs, each with a gate of its own. Empty: 1.
  View<const float> gate = {};

  // The gate of a row of y; nullptr where there is none.
  const float* gate_of(std::int64_t row, std::int64_t rows) const {
    return gate.empty() ? nullptr : gate.at(row / (rows / gate.size(0)), 0);
  }
};

}  // namespace scalekv::kernels
