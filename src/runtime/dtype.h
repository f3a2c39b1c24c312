// Element types of tensors, and the conversions between them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace scalekv {

enum class DType : std::uint8_t { f32, f16, bf16, f64, i8, u8, i16, u16, i32, u32, i64, u64, boolean };

// A bfloat16 value: the upper half of a float32.
struct BFloat16 {
  std::uint16_t bits;
};

// An IEEE half-precision value.
struct Float16 {
  std::uint16_t bits;
};

// Bytes of one element.
std::size_t dtype_size(DType dtype);

// The name safetensors uses: "F32", "BF16", ...
std::string_view dtype_name(DType dtype);

// Inverse of dtype_name. Throws Error on an unknown name.
DType parse_dtype(std::string_view name);

constexpr float to_float(BFloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16); }

// Round to nearest even; NaN stays NaN.
constexpr BFloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>((bits >> 16) | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}

float to_float(Float16 value);

template <typename T>
inline constexpr DType kDTypeOf = DType::f32;

#define SCALEKV_MAP_DTYPE(type, name) \
  template <>                         \
  inline constexpr DType kDTypeOf<type> = DType::name
SCALEKV_MAP_DTYPE(float, f32);
SCALEKV_MAP_DTYPE(Float16, f16);
SCALEKV_MAP_DTYPE(BFloat16, bf16);
SCALEKV_MAP_DTYPE(double, f64);
SCALEKV_MAP_DTYPE(std::int8_t, i8);
SCALEKV_MAP_DTYPE(std::uint8_t, u8);
SCALEKV_MAP_DTYPE(std::int16_t, i16);
SCALEKV_MAP_DTYPE(std::uint16_t, u16);
SCALEKV_MAP_DTYPE(std::int32_t, i32);
SCALEKV_MAP_DTYPE(std::uint32_t, u32);
SCALEKV_MAP_DTYPE(std::int64_t, i64);
SCALEKV_MAP_DTYPE(std::uint64_t, u64);
SCALEKV_MAP_DTYPE(bool, boolean);
#undef SCALEKV_MAP_DTYPE

}  // namespace scalekv
