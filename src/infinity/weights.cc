#include "infinity/weights.h"

#include <algorithm>

namespace scalekv::infinity {

kernels::Linear take_linear(checkpoint::WeightMap& weights, const std::string& name, std::int64_t inputs,
                            std::int64_t outputs, WeightType type) {
  return kernels::Linear(weights.take(name + ".weight", {outputs, inputs}), weights.take(name + ".bias", {outputs}),
                         MemoryKind::weights, type);
}

kernels::Linear take_key_value_linear(checkpoint::WeightMap& weights, const std::string& prefix, std::int64_t inputs,
                                      std::int64_t outputs, WeightType type) {
  const Tensor value_bias = weights.take_float(prefix + "v_bias", {outputs}, MemoryKind::other);
  weights.ignore(prefix + "zero_k_bias");
  Tensor bias = Tensor::zeros<float>({2 * outputs}, MemoryKind::other);
  std::copy_n(value_bias.view<float>().data(), outputs, bias.view<float>().at(outputs));
  return kernels::Linear(weights.take(prefix + "mat_kv.weight", {2 * outputs, inputs}), bias, MemoryKind::weights,
                         type);
}

}  // namespace scalekv::infinity
