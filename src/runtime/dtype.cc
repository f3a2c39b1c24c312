#include "runtime/dtype.h"

#include <array>
#include <cmath>

#include "base/error.h"

namespace scalekv {
namespace {

struct DTypeFacts {
  DType dtype;
  std::string_view name;
  std::size_t size;
};

constexpr std::array kFacts = {
    DTypeFacts{DType::f32, "F32", 4},      DTypeFacts{DType::f16, "F16", 2}, DTypeFacts{DType::bf16, "BF16", 2},
    DTypeFacts{DType::f64, "F64", 8},      DTypeFacts{DType::i8, "I8", 1},   DTypeFacts{DType::u8, "U8", 1},
    DTypeFacts{DType::i16, "I16", 2},      DTypeFacts{DType::u16, "U16", 2}, DTypeFacts{DType::i32, "I32", 4},
    DTypeFacts{DType::u32, "U32", 4},      DTypeFacts{DType::i64, "I64", 8}, DTypeFacts{DType::u64, "U64", 8},
    DTypeFacts{DType::boolean, "BOOL", 1},
};

const DTypeFacts& facts(DType dtype) {
  for (const DTypeFacts& entry : kFacts) {
    if (entry.dtype == dtype) return entry;
  }
  fail("unknown element type number {}", static_cast<int>(dtype));
}

}  // namespace

std::size_t dtype_size(DType dtype) { return facts(dtype).size; }

std::string_view dtype_name(DType dtype) { return facts(dtype).name; }

DType parse_dtype(std::string_view name) {
  for (const DTypeFacts& entry : kFacts) {
    if (entry.name == name) return entry.dtype;
  }
  fail("unknown element type '{}'; this program reads F32, F16, BF16, F64, integers and BOOL", name);
}

float to_float(Float16 value) {
  const float sign = (value.bits & 0x8000U) != 0 ? -1.0F : 1.0F;
  const int exponent = (value.bits >> 10) & 0x1f;
  const int mantissa = value.bits & 0x3ff;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
}

}  // namespace scalekv
