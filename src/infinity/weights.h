// How the published checkpoints name the parts of a layer.
#pragma once

#include <string>

#include "checkpoint/weight_map.h"
#include "kernels/linear.h"

namespace scalekv::infinity {

// `name`.weight [outputs, inputs] and `name`.bias [outputs].
kernels::Linear take_linear(checkpoint::WeightMap& weights, const std::string& name, std::int64_t inputs,
                            std::int64_t outputs, WeightType type = WeightType::f32);

// `prefix`mat_kv.weight [2 outputs, inputs]: keys, whose bias is zero, then values with bias `prefix`v_bias.
kernels::Linear take_key_value_linear(checkpoint::WeightMap& weights, const std::string& prefix, std::int64_t inputs,
                                      std::int64_t outputs, WeightType type = WeightType::f32);

}  // namespace scalekv::infinity
