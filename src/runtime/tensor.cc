#include "runtime/tensor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "runtime/grow_buffer.h"

namespace scalekv {
namespace {

constexpr std::size_t kAlignment = 64;

// Large tensors that live long have pages of their own, which go back to the system with them: the allocator would keep
// gigabytes of a text encoder that was freed. Those that come and go with every layer find the allocator's memory
// again.
bool has_own_pages(MemoryKind kind, std::int64_t bytes) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 20;
  return bytes >= kLarge && kind != MemoryKind::activations && kind != MemoryKind::other;
}

// The allocation's deleter: frees it and takes it off the ledger.
struct Release {
  std::shared_ptr<Ledger> ledger;
  MemoryKind kind;
  std::int64_t bytes;
  void operator()(void* pointer) const {
    std::free(pointer);
    ledger->remove(kind, bytes);
  }
};

template <typename T>
void widen(const void* source, float* target, std::int64_t count) {
  const T* values = static_cast<const T*>(source);
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_arithmetic_v<T>) {
      target[i] = static_cast<float>(values[i]);
    } else {
      target[i] = to_float(values[i]);
    }
  }
}

}  // namespace

Tensor::Tensor(DType dtype, const Shape& shape, MemoryKind kind) : dtype_(dtype), shape_(shape), writable_(true) {
  std::int64_t size = 0;
  if (__builtin_mul_overflow(shape.elements(), static_cast<std::int64_t>(dtype_size(dtype)), &size)) {
    fail("a tensor of shape {} is too large", shape.to_string());
  }
  if (has_own_pages(kind, size)) {
    auto pages = std::make_shared<GrowBuffer>(kind);
    pages->resize(size);
    data_ = pages->data();
    owner_ = std::move(pages);
    return;
  }
  const auto rounded = (static_cast<std::size_t>(size) / kAlignment + 1) * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) fail("out of memory: {} bytes for {} are not available", size, memory_kind_name(kind));
  const std::shared_ptr<Ledger>& ledger = Runtime::current().ledger();
  ledger->add(kind, size);
  owner_ = std::shared_ptr<const void>(memory, Release{ledger, kind, size});
  data_ = memory;
}

Tensor::Tensor(DType dtype, const Shape& shape, const void* data, std::shared_ptr<const void> owner)
    : dtype_(dtype), shape_(shape), data_(data), owner_(std::move(owner)) {}

void* Tensor::mutable_raw() {
  SCALEKV_ASSERT(writable_ || data_ == nullptr);
  return const_cast<void*>(data_);
}

void Tensor::fill_zero() {
  if (bytes() > 0) std::memset(mutable_raw(), 0, static_cast<std::size_t>(bytes()));
}

Tensor Tensor::clone(MemoryKind kind) const {
  Tensor copy(dtype_, shape_, kind);
  if (bytes() > 0) std::memcpy(copy.mutable_raw(), data_, static_cast<std::size_t>(bytes()));
  return copy;
}

Tensor Tensor::share() const {
  SCALEKV_ASSERT(borrowed());
  return {dtype_, shape_, data_, owner_};
}

Tensor Tensor::convert_to_float(MemoryKind kind) const {
  Tensor copy(DType::f32, shape_, kind);
  auto* target = static_cast<float*>(copy.mutable_raw());
  switch (dtype_) {
    case DType::f32:
      widen<float>(data_, target, elements());
      break;
    case DType::f64:
      widen<double>(data_, target, elements());
      break;
    case DType::f16:
      widen<Float16>(data_, target, elements());
      break;
    case DType::bf16:
      widen<BFloat16>(data_, target, elements());
      break;
    default:
      fail("a tensor of {} cannot be read as floating point", dtype_name(dtype_));
  }
  return copy;
}

Tensor Tensor::convert_to_float(MemoryKind kind, std::int64_t first, const Shape& shape) const {
  const auto* part = static_cast<const std::byte*>(data_) + first * static_cast<std::int64_t>(dtype_size(dtype_));
  return Tensor(dtype_, shape, part, owner_).convert_to_float(kind);
}

Tensor Tensor::convert_to_bfloat16(MemoryKind kind) const {
  if (dtype_ == DType::bf16) return clone(kind);
  const Tensor wide = convert_to_float(MemoryKind::other);
  Tensor copy(DType::bf16, shape_, kind);
  const float* source = wide.view<float>().data();
  std::transform(source, source + elements(), copy.view<BFloat16>().data(), to_bfloat16);
  return copy;
}

void Tensor::check_type(DType wanted) const {
  if (wanted != dtype_) {
    fail("expected a tensor of {}, got {} of shape {}", dtype_name(wanted), dtype_name(dtype_), shape_.to_string());
  }
}

}  // namespace scalekv
