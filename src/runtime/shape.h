// Shapes: the sizes of a tensor's dimensions, outermost first.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace scalekv {

inline constexpr int kMaxRank = 6;

class Shape {
 public:
  Shape() = default;
  // Throws Error on a rank above kMaxRank or a negative size.
  Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t operator[](int dimension) const { return sizes_[static_cast<std::size_t>(dimension)]; }
  std::span<const std::int64_t> sizes() const { return {sizes_.data(), static_cast<std::size_t>(rank_)}; }
  // Product of the sizes (1 for rank 0). Throws Error where it overflows.
  std::int64_t elements() const;
  // "[2, 16, 128]"
  std::string to_string() const;

  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

}  // namespace scalekv
