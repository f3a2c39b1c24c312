// GroupNorm over maps: statistics in one pass, applied by whoever reads the map next.
#pragma once

#include <vector>

#include "runtime/tensor.h"

namespace scalekv::kernels {

// Per channel c, GroupNorm(x) = (x - center[c]) * factor[c] + offset[c].
struct GroupNormTerms {
  std::vector<float> center, factor, offset;
};

// x: [H, W, C] contiguous, C a multiple of `groups`; weight, bias: [C]. Does not depend on the number of threads.
GroupNormTerms group_norm_terms(View<const float> x, int groups, View<const float> weight, View<const float> bias,
                                float epsilon);

}  // namespace scalekv::kernels
