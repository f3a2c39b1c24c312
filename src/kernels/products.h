// Which product of matrices serves a layer on this machine: decided here, and nowhere else.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/weight_type.h"

namespace scalekv::kernels {

enum class Product : std::uint8_t {
  onednn,  // oneDNN's float32 product (AVX-512), where it keeps rows independent of each other
  panels,  // ours, float32
  bf16,    // ours, bfloat16 weights widened to float32
  int8,    // ours, rounded weights and inputs
};

// For a layer of this shape whose weight is held as `type`.
Product choose_product(WeightType type, std::int64_t inputs, std::int64_t outputs);

// The same for people: "oneDNN brg:avx512_core", "int8 AVX3_DL".
std::string product_name(WeightType type, std::int64_t inputs, std::int64_t outputs);

// Whether products of int8 weights are faster here than those of float32.
bool prefers_int8();

}  // namespace scalekv::kernels
