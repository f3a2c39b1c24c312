// How fast this machine multiplies matrices: what kernels are measured against.
#pragma once

#include "runtime/weight_type.h"

namespace scalekv::kernels {

// Operations (two a multiply-add) in a second, in billions: the best of some products of 1024 x 2048 x 4096 with
// weights of that type, on all threads, by oneDNN or by our own kernels, whichever is faster. Takes half a second.
double measure_gemm_peak(WeightType type);

}  // namespace scalekv::kernels
