// Damage that no header shows: weights that are no numbers.
#pragma once

#include "base/progress.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {

// Whether a type is one of weights.
bool is_floating(DType dtype);

// Throws Error naming file and tensor where one of `values` is a NaN or an infinity. They are the tensor's elements
// from `first` on.
void check_finite(View<const float> values, std::int64_t first, const TensorInfo& info);

// The same for every tensor of weights in a source; reads all of it, piece by piece.
void check_finite(const TensorSource& source, const WorkProgress& progress);

}  // namespace scalekv::formats
