#include "runtime/shape.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace scalekv {

Shape::Shape(std::span<const std::int64_t> sizes) {
  if (sizes.size() > static_cast<std::size_t>(kMaxRank)) {
    fail("a tensor of {} dimensions is more than the {} this program handles", sizes.size(), kMaxRank);
  }
  for (const std::int64_t size : sizes) {
    if (size < 0) fail("a tensor dimension of size {} is negative", size);
    sizes_[static_cast<std::size_t>(rank_++)] = size;
  }
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : sizes()) {
    if (__builtin_mul_overflow(product, size, &product)) fail("the shape {} holds too many elements", to_string());
  }
  return product;
}

std::string Shape::to_string() const { return fmt::format("[{}]", fmt::join(sizes(), ", ")); }

}  // namespace scalekv
