#include "model/layer_tensors.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"

namespace scalekv::model {

LayerTensors::LayerTensors(formats::WeightMap& weights, std::vector<TensorSpec> specs, std::string prefix,
                           WeightType type)
    : weights_(weights), specs_(std::move(specs)), prefix_(std::move(prefix)), type_(type) {}

bool LayerTensors::has(std::string_view name) const {
  return std::ranges::find(specs_, name, &TensorSpec::name) != specs_.end();
}

const TensorSpec& LayerTensors::spec(std::string_view name) const {
  const auto found = std::ranges::find(specs_, name, &TensorSpec::name);
  SCALEKV_ASSERT(found != specs_.end());
  return *found;
}

Tensor LayerTensors::take(std::string_view name) const {
  const TensorSpec& wanted = spec(name);
  const std::string whole = prefix_ + wanted.name;
  if (wanted.role == Role::embedding) return weights_.take(whole, wanted.shape);
  if (wanted.role != Role::own_values) return weights_.take_float(whole, wanted.shape, MemoryKind::weights);
  return weights_.take_float(whole, wanted.shape, MemoryKind::other).clone(MemoryKind::weights);
}

Tensor LayerTensors::bias_of(const TensorSpec& weight) const {
  if (weight.bias.empty()) return {};
  const TensorSpec& bias = spec(weight.bias);
  const std::string name = prefix_ + bias.name;
  const std::int64_t outputs = weight.shape[0], given = bias.shape[0];
  if (given == outputs) return weights_.take(name, bias.shape);
  const Tensor last = weights_.take_float(name, bias.shape, MemoryKind::other);
  Tensor whole = Tensor::zeros<float>({outputs}, MemoryKind::other);
  std::copy_n(last.view<float>().data(), given, whole.view<float>().at(outputs - given));
  return whole;
}

kernels::Linear LayerTensors::linear(const std::string& name) const {
  const TensorSpec& weight = spec(name + ".weight");
  const Tensor bias = bias_of(weight);
  const std::string whole = prefix_ + weight.name;
  if (is_int8(weights_, whole, weight)) {
    return kernels::Linear(take_int8(weights_, whole, weight), bias, MemoryKind::weights);
  }
  return kernels::Linear(weights_.take(whole, weight.shape), bias, MemoryKind::weights, type_, weight.outliers);
}

kernels::Conv2d LayerTensors::convolution(const std::string& name, const kernels::ConvGeometry& geometry) const {
  const TensorSpec& weight = spec(name + ".conv.weight");
  const TensorSpec& bias = spec(name + ".conv.bias");
  return kernels::Conv2d(weights_.take(prefix_ + weight.name, weight.shape),
                         weights_.take(prefix_ + bias.name, bias.shape), geometry, MemoryKind::weights);
}

bool is_int8(const formats::WeightMap& weights, const std::string& name, const TensorSpec& spec) {
  return spec.role == Role::matrix && weights.has(name + "_scale");
}

kernels::Int8Weight take_int8(formats::WeightMap& weights, const std::string& name, const TensorSpec& spec) {
  const std::int64_t outputs = spec.shape[0], inputs = spec.shape[1];
  kernels::Int8Weight weight{
      .codes = weights.take_typed(name, spec.shape, DType::i8),
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

void expect_all_used(formats::WeightMap& weights, const NetworkTable& table) {
  for (const std::string& start : table.leftovers) weights.ignore(start);
  table.visit([&](const TableEntry& entry) {
    if (entry.spec.role == Role::unread) weights.ignore(entry.name);
  });
  weights.expect_all_used();
}

}  // namespace scalekv::model
