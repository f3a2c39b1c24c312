// Tensors that follow from their names; tools/fixtures/metric_fixtures.py makes the same ones.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include "runtime/philox.h"
#include "support/memory_source.h"

namespace scalekv::testing {

inline std::uint32_t fnv1a32(std::string_view name) {
  std::uint32_t value = 2166136261U;
  for (const char byte : name) value = (value ^ static_cast<unsigned char>(byte)) * 16777619U;
  return value;
}

inline void fill_philox(std::string_view name, float low, float high, float* values, std::int64_t count) {
  constexpr PhiloxKey kKey = {2026, 0};
  const std::uint32_t stream = fnv1a32(name);
  for (std::int64_t block = 0; 4 * block < count; ++block) {
    const PhiloxCounter words = philox4x32({static_cast<std::uint32_t>(block), 0, 0, stream}, kKey);
    for (std::int64_t i = 4 * block; i < std::min(4 * block + 4, count); ++i) {
      const float unit = static_cast<float>(words[static_cast<std::size_t>(i % 4)] >> 8) * 0x1p-24F;
      values[i] = low + (high - low) * unit;
    }
  }
}

class PhiloxSource final : public MemorySource {
 public:
  PhiloxSource() : MemorySource("philox weights") {}

  // The range of the values follows from name and shape as in metric_fixtures.py.
  void add(const std::string& name, const Shape& shape) {
    float low = -0.1F, high = 0.1F;
    if (name.starts_with("lin")) {
      low = 0.0F;
      high = static_cast<float>(1.0 / static_cast<double>(shape[1]));
    } else if (name.ends_with(".bn.weight") || name.ends_with(".running_var")) {
      low = 0.5F;
      high = 1.5F;
    } else if (shape.rank() > 1) {
      high =
          static_cast<float>(std::sqrt(6.0 / (static_cast<double>(shape.elements()) / static_cast<double>(shape[0]))));
      low = -high;
    }
    Tensor tensor(DType::f32, shape, MemoryKind::other);
    fill_philox(name, low, high, tensor.view<float>().data(), tensor.elements());
    put(name, std::move(tensor));
  }
  void add_convolution(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t height,
                       std::int64_t width) {
    add(name + ".conv.weight", {out, in, height, width});
    for (const char* part : {".bn.weight", ".bn.bias", ".bn.running_mean", ".bn.running_var"}) add(name + part, {out});
  }
};

}  // namespace scalekv::testing
