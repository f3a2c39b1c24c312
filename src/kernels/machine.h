// What the kernels run on.
#pragma once

#include <string>

namespace scalekv::kernels {

// The instruction set that Highway and oneDNN chose here, e.g. "AVX-512 (bf16, vnni); oneDNN avx512_core_bf16".
std::string machine_description();

// Whether products of int8 weights are faster here than those of float32.
bool prefers_int8();

}  // namespace scalekv::kernels
