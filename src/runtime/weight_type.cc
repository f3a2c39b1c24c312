#include "runtime/weight_type.h"

#include "base/error.h"

namespace scalekv {

std::string_view weight_type_name(WeightType type) {
  constexpr std::array<std::string_view, kWeightTypes.size()> kNames = {"f32", "bf16", "int8"};
  return kNames[static_cast<std::size_t>(type)];
}

WeightType parse_weight_type(std::string_view name) {
  for (const WeightType type : kWeightTypes) {
    if (name == weight_type_name(type)) return type;
  }
  fail_usage("no weights of type '{}'; choose f32, bf16 or int8", name);
}

}  // namespace scalekv
