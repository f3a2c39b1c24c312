// How the published checkpoints name the parts of a layer.
#pragma once

#include <string>

#include "formats/weight_map.h"
#include "kernels/linear.h"

namespace scalekv::model {

// How a matrix is held where its file does not say so.
struct MatrixForm {
  WeightType type = WeightType::f32;
  bool outliers = false;  // its inputs have some
};

// I8 codes `name` [outputs, inputs], F32 `name`_scale [outputs] and perhaps `name`_rotation (docs/FORMATS.md).
kernels::Int8Weight take_int8(formats::WeightMap& weights, const std::string& name, std::int64_t inputs,
                              std::int64_t outputs);

// The matrix `name` [outputs, inputs]: of a float type, or int8 codes, which stay as they are. bias: [outputs] or
// empty.
kernels::Linear take_matrix(formats::WeightMap& weights, const std::string& name, const Tensor& bias,
                            std::int64_t inputs, std::int64_t outputs, const MatrixForm& form = {});

// `name`.weight [outputs, inputs] and `name`.bias [outputs].
kernels::Linear take_linear(formats::WeightMap& weights, const std::string& name, std::int64_t inputs,
                            std::int64_t outputs, const MatrixForm& form = {});

// `prefix`mat_kv.weight [2 outputs, inputs]: keys, whose bias is zero, then values with bias `prefix`v_bias.
kernels::Linear take_key_value_linear(formats::WeightMap& weights, const std::string& prefix, std::int64_t inputs,
                                      std::int64_t outputs, const MatrixForm& form = {});

// Marks what checkpoints hold of their training and the reference drops, too.
void ignore_transformer_leftovers(formats::WeightMap& weights);

}  // namespace scalekv::model
