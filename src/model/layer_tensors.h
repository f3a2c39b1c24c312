// A layer's tensors, as the network's table says they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/weight_map.h"
#include "kernels/conv.h"
#include "kernels/linear.h"
#include "model/tensor_table.h"

namespace scalekv::model {

// Takes tensors out of `weights`, which must outlive it. Every function throws Error naming a tensor that is missing,
// misshapen or of a type that it cannot be of.
class LayerTensors {
 public:
  // Those called `prefix` and a name of `specs`. Matrices are held as `type`, or stay int8 codes where they are.
  LayerTensors(formats::WeightMap& weights, std::vector<TensorSpec> specs, std::string prefix = "",
               WeightType type = WeightType::f32);

  // Whether the table has it.
  bool has(std::string_view name) const;
  const Shape& shape(std::string_view name) const { return spec(name).shape; }
  // A tensor that is no part of a layer of its own, as its role says.
  Tensor take(std::string_view name) const;
  // `name`.weight and, where it has one, its bias.
  kernels::Linear linear(const std::string& name) const;
  // `name`.conv.weight and `name`.conv.bias; padded to keep the size unless told.
  kernels::Conv2d convolution(const std::string& name, const kernels::ConvGeometry& geometry = {}) const;

  std::string description() const { return weights_.description(); }

 private:
  const TensorSpec& spec(std::string_view name) const;
  Tensor bias_of(const TensorSpec& weight) const;

  formats::WeightMap& weights_;
  std::vector<TensorSpec> specs_;
  std::string prefix_;
  WeightType type_;
};

// Whether a matrix lies there as int8 codes `name` [outputs, inputs], with F32 `name`_scale [outputs] and perhaps
// I32 `name`_rotation [1] beside them (docs/FORMATS.md); and these.
bool is_int8(const formats::WeightMap& weights, const std::string& name, const TensorSpec& spec);
kernels::Int8Weight take_int8(formats::WeightMap& weights, const std::string& name, const TensorSpec& spec);

// Takes or passes over whatever belongs to the network without being read. Throws Error naming what is left, which is
// another architecture's.
void expect_all_used(formats::WeightMap& weights, const NetworkTable& table);

}  // namespace scalekv::model
