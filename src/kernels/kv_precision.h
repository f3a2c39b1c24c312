// How precisely keys and values are kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace scalekv::kernels {

enum class KvPrecision : std::uint8_t {
  f32,
  bf16,
  int8,  // 8 bits on a grid per channel of a head (kernels/stored_rows.h)
};

// "f32", "bf16", "int8".
std::string_view kv_precision_name(KvPrecision precision);
// Inverse. Throws UsageError with the names there are.
KvPrecision parse_kv_precision(const std::string& name);

// Bytes of one channel of one key or value.
std::int64_t kv_element_bytes(KvPrecision precision);
// Bytes that say what the elements of one head's keys and values mean, whatever their number.
std::int64_t kv_grid_bytes(KvPrecision precision, std::int64_t head_size);

}  // namespace scalekv::kernels
