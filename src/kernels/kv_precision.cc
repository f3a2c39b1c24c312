#include "kernels/kv_precision.h"

#include "base/error.h"

namespace scalekv::kernels {

std::string_view kv_precision_name(KvPrecision precision) {
  if (precision == KvPrecision::f32) return "f32";
  return precision == KvPrecision::bf16 ? "bf16" : "int8";
}

KvPrecision parse_kv_precision(const std::string& name) {
  for (const KvPrecision precision : {KvPrecision::f32, KvPrecision::bf16, KvPrecision::int8}) {
    if (name == kv_precision_name(precision)) return precision;
  }
  fail_usage("there is no KV precision '{}'; choose f32, bf16 or int8", name);
}

std::int64_t kv_element_bytes(KvPrecision precision) {
  if (precision == KvPrecision::f32) return 4;
  return precision == KvPrecision::bf16 ? 2 : 1;
}

std::int64_t kv_grid_bytes(KvPrecision precision, std::int64_t head_size) {
  // Per channel: the key's step and offset, the value's step.
  return precision == KvPrecision::int8 ? 3 * head_size : 0;
}

}  // namespace scalekv::kernels
