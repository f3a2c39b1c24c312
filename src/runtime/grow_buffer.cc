#include "runtime/grow_buffer.h"

#include <sys/mman.h>

#include "base/error.h"

namespace scalekv {

GrowBuffer::~GrowBuffer() {
  if (data_ != nullptr) ::munmap(data_, static_cast<std::size_t>(size_));
  ledger_->remove(kind_, size_);
}

// Pages come from the system and go back to it at once, where an allocator would keep them: what the ledger says is
// what the process holds. mremap() moves page tables, not bytes.
void GrowBuffer::resize(std::int64_t bytes) {
  if (bytes == size_) return;
  const auto wanted = static_cast<std::size_t>(bytes);
  void* pages = nullptr;
  if (bytes == 0) {
    ::munmap(data_, static_cast<std::size_t>(size_));
  } else if (data_ == nullptr) {
    pages = ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  } else {
    pages = ::mremap(data_, static_cast<std::size_t>(size_), wanted, MREMAP_MAYMOVE);
  }
  if (pages == MAP_FAILED) {
    fail("out of memory: {} bytes for {} are not available", bytes, memory_kind_name(kind_));
  }
  data_ = static_cast<std::byte*>(pages);
  bytes > size_ ? ledger_->add(kind_, bytes - size_) : ledger_->remove(kind_, size_ - bytes);
  size_ = bytes;
}

}  // namespace scalekv
