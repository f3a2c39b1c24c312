#include "infinity/rope.h"

#include <cmath>
#include <vector>

namespace scalekv::infinity {
namespace {

// The position of cell `index` of `count` on an axis of `reference` cells: a float32 product, halves to even.
float normalised_position(std::int64_t index, std::int64_t count, std::int64_t reference) {
  const auto step = static_cast<float>(static_cast<double>(reference) / static_cast<double>(count));
  return std::nearbyint(static_cast<float>(index) * step);
}

}  // namespace

RotaryTable make_rotary_table(MapSize map, MapSize reference, std::int64_t head_size) {
  const std::int64_t half = head_size / 2;
  const std::int64_t quarter = half / 2;
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < quarter; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(half);
    frequencies.push_back(1.0F / std::pow(10000.0F, exponent));
  }
  const Shape shape{map.tokens(), half};
  RotaryTable table{Tensor(DType::f32, shape, MemoryKind::activations),
                    Tensor(DType::f32, shape, MemoryKind::activations)};
  const View<float> cosine = table.cosine.view<float>();
  const View<float> sine = table.sine.view<float>();
  for (std::int64_t row = 0; row < map.height; ++row) {
    const float y = normalised_position(row, map.height, reference.height);
    for (std::int64_t column = 0; column < map.width; ++column) {
      const float x = normalised_position(column, map.width, reference.width);
      const std::int64_t token = row * map.width + column;
      for (std::int64_t i = 0; i < half; ++i) {
        const float position = i < quarter ? y : x;
        const float angle = position * frequencies[static_cast<std::size_t>(i % quarter)];
        cosine(token, i) = std::cos(angle);
        sine(token, i) = std::sin(angle);
      }
    }
  }
  return table;
}

}  // namespace scalekv::infinity
