// What the lines of the networks' tables are made of.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "model/tensor_table.h"

namespace scalekv::model {

using Lines = std::vector<TensorSpec>;

// One list of several.
Lines join(std::initializer_list<Lines> parts);

// Keeps what comes out of a sum over `inputs` as large as what went in.
float unit(std::int64_t inputs);

struct MatrixTraits {
  float gain = 1.0F;  // of random weights, times unit(inputs)
  bool outliers = false;
  std::int64_t uses = 1;
};

Lines values(std::string name, const Shape& shape, float deviation, float mean = 0.0F, Role role = Role::values);
// The weight of a norm.
Lines norm_weight(std::string name, std::int64_t channels, Role role = Role::values);
Lines bias(std::string name, std::int64_t channels, Role role = Role::bias);
// `name`.weight
Lines matrix(const std::string& name, std::int64_t inputs, std::int64_t outputs, const MatrixTraits& traits = {});
// `name`.weight and `name`.bias
Lines linear(const std::string& name, std::int64_t inputs, std::int64_t outputs, const MatrixTraits& traits = {});

}  // namespace scalekv::model
