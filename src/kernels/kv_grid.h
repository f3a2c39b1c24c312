// The grids of int8 keys and values: fitting them to what is written, and what codes on them stand for.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/tensor.h"

namespace scalekv::kernels {

// What rows of keys and values span, channel by channel.
struct KeyValueRange {
  explicit KeyValueRange(std::int64_t head_size);
  // keys, values: [n, head size], rows any distance apart.
  void add(View<const float> keys, View<const float> values);

  std::vector<float> key_low, key_high;  // infinite where a number is not finite
  std::vector<float> value_size;         // largest |value|
};

// Codes of one channel: the code u stands for (u + origin) 2^exponent.
struct ChannelGrid {
  int exponent = 0;
  int origin = 0;

  float step() const;
  float inverse_step() const;
};

// A head's grid is [key exponents, key offsets, value exponents], head_size bytes each; the origin of keys is 16 times
// their offset, that of values -128.
std::vector<ChannelGrid> key_grid(const std::int8_t* grid, std::int64_t head_size);
std::vector<ChannelGrid> value_grid(const std::int8_t* grid, std::int64_t head_size);

// A grid that covers nothing.
void clear_grid(std::int8_t* grid, std::int64_t head_size);
// Can rows of this range be written on the grid?
bool covers(const std::int8_t* grid, const KeyValueRange& range);
// Channels that do not cover the range get the finest steps that do; the others stay.
void fit_grid(const KeyValueRange& range, std::int8_t* grid);

}  // namespace scalekv::kernels
