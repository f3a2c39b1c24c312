// What the kernels run on.
#pragma once

#include <string>

namespace scalekv::kernels {

// The instruction set that our own kernels use here: "AVX3_DL".
std::string highway_target();

// That one and oneDNN's: "Highway AVX3_DL, oneDNN AVX-512 VNNI BF16".
std::string machine_description();

}  // namespace scalekv::kernels
