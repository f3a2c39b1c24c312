#include "core/grow_buffer.h"

#include <cstdlib>

#include "core/error.h"

namespace scalekv {

GrowBuffer::~GrowBuffer() {
  std::free(data_);
  ledger().remove(kind_, size_);
}

void GrowBuffer::resize(std::int64_t bytes) {
  if (bytes == size_) return;
  if (bytes == 0) {
    std::free(data_);
    data_ = nullptr;
  } else {
    void* moved = std::realloc(data_, static_cast<std::size_t>(bytes));
    if (moved == nullptr) fail("out of memory: {} bytes for {} are not available", bytes, memory_kind_name(kind_));
    data_ = static_cast<std::byte*>(moved);
  }
  bytes > size_ ? ledger().add(kind_, bytes - size_) : ledger().remove(kind_, size_ - bytes);
  size_ = bytes;
}

}  // namespace scalekv
