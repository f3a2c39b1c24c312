#include "model/weights.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace scalekv::model {
kernels::Int8Weight take_int8(formats::WeightMap& weights, const std::string& name, std::int64_t inputs,
                              std::int64_t outputs) {
  kernels::Int8Weight weight{
      .codes = weights.take_typed(name, {outputs, inputs}, DType::i8),
      .scales = weights.take_float(name + "_scale", {outputs}, MemoryKind::other).clone(MemoryKind::weights)};
  const std::string rotation = name + "_rotation";
  if (!weights.has(rotation)) return weight;
  weight.rotation = weights.take_typed(rotation, {1}, DType::i32).view<const std::int32_t>()(0);
  const std::int64_t length = weight.rotation;
  if (length < 1 || !std::has_single_bit(static_cast<std::uint64_t>(length)) || inputs % (4 * length) != 0) {
    fail("{}: tensor \"{}\" says {}, expected a power of two that divides {} / 4; convert the model again",
         weights.description(), rotation, length, inputs);
  }
  return weight;
}

kernels::Linear take_matrix(formats::WeightMap& weights, const std::string& name, const Tensor& bias,
                            std::int64_t inputs, std::int64_t outputs, const MatrixForm& form) {
  if (weights.has(name + "_scale")) {
    return kernels::Linear(take_int8(weights, name, inputs, outputs), bias, MemoryKind::weights);
  }
  return kernels::Linear(weights.take(name, {outputs, inputs}), bias, MemoryKind::weights, form.type, form.outliers);
}

kernels::Linear take_linear(formats::WeightMap& weights, const std::string& name, std::int64_t inputs,
                            std::int64_t outputs, const MatrixForm& form) {
  return take_matrix(weights, name + ".weight", weights.take(name + ".bias", {outputs}), inputs, outputs, form);
}

kernels::Linear take_key_value_linear(formats::WeightMap& weights, const std::string& prefix, std::int64_t inputs,
                                      std::int64_t outputs, const MatrixForm& form) {
  const Tensor value_bias = weights.take_float(prefix + "v_bias", {outputs}, MemoryKind::other);
  Tensor bias = Tensor::zeros<float>({2 * outputs}, MemoryKind::other);
  std::copy_n(value_bias.view<float>().data(), outputs, bias.view<float>().at(outputs));
  return take_matrix(weights, prefix + "mat_kv.weight", bias, inputs, 2 * outputs, form);
}

void ignore_transformer_leftovers(formats::WeightMap& weights) {
  for (const char* name : {"lvl_1L", "attn_bias_for_masking", "Infinity_visible_kvlen", "Infinity_invisible_qlen"}) {
    weights.ignore(name);
  }
  for (const std::string& name : weights.names()) {
    if (name.ends_with(".zero_k_bias")) weights.ignore(name);  // keys have no bias
  }
}

}  // namespace scalekv::model
