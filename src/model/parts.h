// The parts of a model beside the tables of their tensors.
#pragma once

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

}  // namespace scalekv::model
