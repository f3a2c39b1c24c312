// A block of memory that grows and shrinks and knows the ledger.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "runtime/runtime.h"

namespace scalekv {

// Contents up to the smaller of the old and the new size survive resize(). The block is pages of its own, resized by
// moving page tables rather than bytes: growing holds no second copy, shrinking gives memory back to the system.
class GrowBuffer {
 public:
  // In the ledger of the current runtime.
  explicit GrowBuffer(MemoryKind kind) : kind_(kind), ledger_(Runtime::current().ledger()) {}
  // The other one stays usable: it keeps its ledger.
  GrowBuffer(GrowBuffer&& other) noexcept
      : kind_(other.kind_),
        ledger_(other.ledger_),  // NOLINT(performance-move-constructor-init)
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  GrowBuffer& operator=(GrowBuffer&& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(ledger_, other.ledger_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~GrowBuffer();

  // Throws Error when memory does not suffice.
  void resize(std::int64_t bytes);
  std::byte* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  MemoryKind kind_;
  std::shared_ptr<Ledger> ledger_;
  std::byte* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace scalekv
