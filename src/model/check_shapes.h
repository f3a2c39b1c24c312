// Whether a checkpoint is whole: damage that neither the reading of sizes nor a look for NaN shows.
#pragma once

#include <string>
#include <vector>

#include "model/bundle.h"

namespace scalekv::model {

// Requires of every part of the model that is there: all the tensors that its architecture has, of their types and
// shapes, and none that it has not. Reads names and shapes, not the weights. Throws Error naming the first tensor at
// fault. Returns the parts that were there: "transformer", "VAE", "text encoder".
std::vector<std::string> check_shapes(const Bundle& bundle);

// Throws Error naming the first weight of the parts' architectures that the files hold in a form that is not read (a
// shard of a tensor, fp8, an array of NumPy). Weights that are missing do not matter here.
void check_readable(const Bundle& bundle);

}  // namespace scalekv::model
