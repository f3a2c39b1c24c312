#include "runtime/weight_type.h"

#include "base/error.h"

namespace scalekv {

std::string_view weight_type_name(WeightType type) {
  switch (type) {
    case WeightType::f32:
      return "f32";
    case WeightType::bf16:
      return "bf16";
    case WeightType::int8:
      return "int8";
  }
  return "f32";
}

WeightType parse_weight_type(std::string_view name) {
  for (const WeightType type : kWeightTypes) {
    if (name == weight_type_name(type)) return type;
  }
  fail_usage("no weights of type '{}'; choose f32, bf16 or int8", name);
}

}  // namespace scalekv
