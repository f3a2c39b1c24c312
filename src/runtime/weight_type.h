// How the matrices of linear layers are held in memory and in model files.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace scalekv {

enum class WeightType : std::uint8_t {
  f32,
  bf16,  // rounded to nearest, computed in float32
  int8,  // one scale per output; inputs are rounded as they come, in runs whose sums are exact
};

inline constexpr std::array kWeightTypes = {WeightType::f32, WeightType::bf16, WeightType::int8};

// "f32", "bf16", "int8"
std::string_view weight_type_name(WeightType type);

// Inverse of weight_type_name. Throws UsageError on another name.
WeightType parse_weight_type(std::string_view name);

}  // namespace scalekv
