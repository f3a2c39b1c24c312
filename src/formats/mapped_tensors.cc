#include "formats/mapped_tensors.h"

#include <algorithm>
#include <cstring>

#include "base/strict_json.h"

namespace scalekv::formats {

std::int64_t checked_bytes(DType dtype, const Shape& shape, const std::string& where) {
  std::int64_t bytes = 1;
  bool overflow = __builtin_mul_overflow(bytes, static_cast<std::int64_t>(dtype_size(dtype)), &bytes);
  for (const std::int64_t size : shape.sizes()) overflow = overflow || __builtin_mul_overflow(bytes, size, &bytes);
  if (overflow) fail("{}: the shape {} holds more elements than can be counted", where, shape.to_string());
  return bytes;
}

Tensor borrow_or_copy(DType dtype, const Shape& shape, const std::byte* data, std::shared_ptr<const MappedFile> file) {
  if (reinterpret_cast<std::uintptr_t>(data) % dtype_size(dtype) == 0) {
    return Tensor(dtype, shape, data, std::move(file));
  }
  Tensor copy(dtype, shape, MemoryKind::weights);
  std::memcpy(copy.mutable_raw(), data, static_cast<std::size_t>(copy.bytes()));
  return copy;
}

void sort_by_name(std::vector<TensorInfo>& tensors) {
  std::ranges::sort(tensors, {}, &TensorInfo::name);
  const auto twice = std::ranges::adjacent_find(tensors, {}, &TensorInfo::name);
  if (twice != tensors.end()) fail("{}: tensor {} occurs twice", twice->file.string(), in_quotes(twice->name));
}

}  // namespace scalekv::formats
