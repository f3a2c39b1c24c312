// The parts of a model beside the tables of their tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/bundle.h"
#include "model/tensor_table.h"

namespace scalekv::model {

struct Part {
  const char* name;                   // "transformer", "VAE", "text encoder"
  std::string_view prefix;            // of its tensors' names in our one file
  const formats::WeightMap* weights;  // the bundle's
  NetworkTable table;
};

// Those that are there, in this order. Throws Error where sizes do not fit together.
std::vector<Part> parts_of(const Bundle& bundle);

// Whether a checkpoint is whole: damage that neither the reading of sizes nor a look for NaN shows.
//
// Requires of every part of the model that is there: all the tensors that its architecture has, of their types and
// shapes, and none that it has not. Reads names and shapes, not the weights. Throws Error naming the first tensor at
// fault. Returns the parts that were there: "transformer", "VAE", "text encoder".
std::vector<std::string> check_shapes(const Bundle& bundle);

// Throws Error naming the first weight of the parts' architectures that the files hold in a form that is not read (a
// shard of a tensor, fp8, an array of NumPy). Weights that are missing do not matter here.
void check_readable(const Bundle& bundle);

}  // namespace scalekv::model
