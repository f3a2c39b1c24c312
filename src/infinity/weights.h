// How the published checkpoints name the parts of a layer.
#pragma once

#include <string>

#include "checkpoint/weight_map.h"
#include "kernels/linear.h"

namespace scalekv::infinity {

// How a matrix is held where its file does not say so.
struct MatrixForm {
  WeightType type = WeightType::f32;
  bool outliers = false;  // its inputs have some
};

// The matrix `name` [outputs, inputs]: of a float type, or I8 with `name`_scale and perhaps `name`_rotation
// (docs/FORMATS.md), which stays as it is. bias: [outputs] or empty.
kernels::Linear take_matrix(checkpoint::WeightMap& weights, const std::string& name, const Tensor& bias,
                            std::int64_t inputs, std::int64_t outputs, const MatrixForm& form = {});

// `name`.weight [outputs, inputs] and `name`.bias [outputs].
kernels::Linear take_linear(checkpoint::WeightMap& weights, const std::string& name, std::int64_t inputs,
                            std::int64_t outputs, const MatrixForm& form = {});

// `prefix`mat_kv.weight [2 outputs, inputs]: keys, whose bias is zero, then values with bias `prefix`v_bias.
kernels::Linear take_key_value_linear(checkpoint::WeightMap& weights, const std::string& prefix, std::int64_t inputs,
                                      std::int64_t outputs, const MatrixForm& form = {});

}  // namespace scalekv::infinity
