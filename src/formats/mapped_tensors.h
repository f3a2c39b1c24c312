// The tensors of one mapped file whose elements lie in it as they are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {

// Bytes that `elements` of `dtype` take. Throws Error naming `where` where the count overflows.
std::int64_t checked_bytes(DType dtype, const Shape& shape, const std::string& where);

// A tensor over bytes of a mapped file: borrowed where the address suits the element type, else copied.
Tensor borrow_or_copy(DType dtype, const Shape& shape, const std::byte* data, std::shared_ptr<const MappedFile> file);

// Sorts by name. Throws Error where two tensors have the same name.
void sort_by_name(std::vector<TensorInfo>& tensors);

}  // namespace scalekv::formats
