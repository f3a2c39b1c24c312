// What the kernels run on.
#pragma once

#include <string>

namespace scalekv::kernels {

// The instruction set that our own kernels use here: "AVX3_DL".
std::string highway_target();

// That one and oneDNN's: "Highway AVX3_DL, oneDNN AVX-512 VNNI BF16".
std::string machine_description();

// The processor as its maker calls it: "AMD EPYC 9B14 96-Core Processor"; its architecture where the system has no
// name.
std::string processor_name();

// Those that products run on: "oneDNN 2.6.3, Highway 1.0.3".
std::string library_versions();

}  // namespace scalekv::kernels
