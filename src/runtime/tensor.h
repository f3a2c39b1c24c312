// Tensors: `Tensor` owns (or borrows from a mapped file) contiguous, row-major, 64-byte aligned memory that the ledger
// knows; `View<T>` looks at a part of it with strides and owns nothing: the Tensor must outlive its views. Nothing is
// copied unless a function named `clone` or `convert` says so.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "base/error.h"
#include "runtime/dtype.h"
#include "runtime/runtime.h"
#include "runtime/shape.h"

namespace scalekv {

// A typed, strided, non-owning view of up to kMaxRank dimensions. Strides are in elements.
template <typename T>
class View {
 public:
  View() = default;
  View(T* data, const Shape& shape) : data_(data), shape_(shape) {
    std::int64_t stride = 1;
    for (int d = shape.rank() - 1; d >= 0; --d) {
      strides_[static_cast<std::size_t>(d)] = stride;
      stride *= shape[d];
    }
  }
  View(T* data, const Shape& shape, const std::array<std::int64_t, kMaxRank>& strides)
      : data_(data), shape_(shape), strides_(strides) {}

  // A view of mutable elements is a view of const ones.
  operator View<const T>() const  // NOLINT(google-explicit-constructor): the conversion loses nothing
      requires(!std::is_const_v<T>) {
    return View<const T>(data_, shape_, strides_);
  }

  T* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  std::int64_t size(int dimension) const { return shape_[dimension]; }
  std::int64_t stride(int dimension) const { return strides_[static_cast<std::size_t>(dimension)]; }
  std::int64_t elements() const { return shape_.elements(); }
  bool empty() const { return data_ == nullptr; }

  bool contiguous() const {
    std::int64_t expected = 1;
    for (int d = rank() - 1; d >= 0; --d) {
      if (size(d) != 1 && stride(d) != expected) return false;
      expected *= size(d);
    }
    return true;
  }

  template <typename... Index>
  T& operator()(Index... index) const {
    return data_[offset(index...)];
  }

  // The pointer to element (index..., 0, 0...).
  template <typename... Index>
  T* at(Index... index) const {
    return data_ + offset(index...);
  }

  // Elements begin..end-1 of one dimension; the rank stays.
  View slice(int dimension, std::int64_t begin, std::int64_t end) const {
    SCALEKV_ASSERT(0 <= begin && begin <= end && end <= size(dimension));
    std::array<std::int64_t, kMaxRank> sizes{};
    for (int d = 0; d < rank(); ++d) sizes[static_cast<std::size_t>(d)] = d == dimension ? end - begin : size(d);
    return View(data_ + begin * stride(dimension), Shape(std::span(sizes.data(), static_cast<std::size_t>(rank()))),
                strides_);
  }

  // Element `index` of the first dimension; the rank falls by one.
  View operator[](std::int64_t index) const {
    SCALEKV_ASSERT(rank() > 0 && 0 <= index && index < size(0));
    std::array<std::int64_t, kMaxRank> strides{};
    for (int d = 1; d < rank(); ++d) strides[static_cast<std::size_t>(d - 1)] = stride(d);
    return View(data_ + index * stride(0), Shape(shape_.sizes().subspan(1)), strides);
  }

  // The same elements under another shape; only for contiguous views.
  View reshape(const Shape& shape) const {
    SCALEKV_ASSERT(contiguous() && shape.elements() == elements());
    return View(data_, shape);
  }

 private:
  template <typename... Index>
  std::int64_t offset(Index... index) const {
    std::int64_t sum = 0;
    std::size_t d = 0;
    ((sum += static_cast<std::int64_t>(index) * strides_[d++]), ...);
    return sum;
  }

  T* data_ = nullptr;
  Shape shape_;
  std::array<std::int64_t, kMaxRank> strides_{};
};

class Tensor {
 public:
  Tensor() = default;
  // Allocates uninitialised memory, 64-byte aligned, and writes it in the ledger of the current runtime until the
  // tensor dies, wherever that is.
  // Throws Error when memory does not suffice.
  Tensor(DType dtype, const Shape& shape, MemoryKind kind);
  // Borrows memory that `owner` keeps alive (a mapped file); not in the ledger's heap figures.
  Tensor(DType dtype, const Shape& shape, const void* data, std::shared_ptr<const void> owner);

  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(Tensor&&) noexcept = default;

  template <typename T>
  static Tensor zeros(const Shape& shape, MemoryKind kind) {
    Tensor tensor(kDTypeOf<T>, shape, kind);
    tensor.fill_zero();
    return tensor;
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t elements() const { return shape_.elements(); }
  std::int64_t bytes() const { return elements() * static_cast<std::int64_t>(dtype_size(dtype_)); }
  bool empty() const { return data_ == nullptr; }
  // Whether the memory is another's, a mapped file's.
  bool borrowed() const { return !empty() && !writable_; }
  const void* raw() const { return data_; }
  // Only for tensors that own their memory.
  void* mutable_raw();

  // Throws Error naming both types where T is not the element type.
  template <typename T>
  View<T> view() {
    check_type(kDTypeOf<std::remove_const_t<T>>);
    if constexpr (std::is_const_v<T>) {
      return View<T>(static_cast<T*>(data_), shape_);
    } else {
      return View<T>(static_cast<T*>(mutable_raw()), shape_);
    }
  }
  template <typename T>
  View<const T> view() const {
    check_type(kDTypeOf<std::remove_const_t<T>>);
    return View<const T>(static_cast<const T*>(data_), shape_);
  }

  void fill_zero();
  Tensor clone(MemoryKind kind) const;
  // Another tensor of the same memory, which must be borrowed.
  Tensor share() const;
  // A float32 copy of a float tensor (f32, f16, bf16, f64). Throws Error for integers.
  Tensor convert_to_float(MemoryKind kind) const;
  // The same of a part: elements from number `first` on, of this shape.
  Tensor convert_to_float(MemoryKind kind, std::int64_t first, const Shape& shape) const;
  // All of it in bfloat16, rounded to nearest, ties to even.
  Tensor convert_to_bfloat16(MemoryKind kind) const;

 private:
  void check_type(DType wanted) const;

  DType dtype_ = DType::f32;
  Shape shape_;
  const void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  bool writable_ = false;
};

}  // namespace scalekv
