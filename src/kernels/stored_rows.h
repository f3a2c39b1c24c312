// Keys and values as the cache keeps them: float32, bfloat16, or codes of 8 bits on a grid per channel.
//
// Channels of keys are skewed: some wide, some narrow and far from zero. So with int8 every channel of a head has a
// grid of its own: the code u (0 to 255) of a key stands for (u + 16 offset) 2^exponent, that of a value for (u - 128)
// 2^exponent. Steps are powers of two, so that a code becomes a float exactly. A grid is fitted to what is written, and
// grows when wider rows come; rows that lie on it already are then rounded once more. A step that grows at least
// doubles, so all of a row's roundings together stay within one step of the coarsest grid it lay on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kv_precision.h"
#include "runtime/tensor.h"

namespace scalekv::kernels {

// `count` keys and values of one head to read. Rows of head_size elements, `stride` elements apart.
struct KeyValueSegment {
  const void* keys = nullptr;
  const void* values = nullptr;
  std::int64_t count = 0;
  std::int64_t stride = 0;
  KvPrecision precision = KvPrecision::f32;
  const std::int8_t* grid = nullptr;  // int8: [key exponents, key offsets, value exponents], head_size each
};

// What the codes of a grid stand for, channel by channel: code * step + base.
struct GridFloats {
  float* steps = nullptr;
  float* bases = nullptr;
};
void expand_key_grid(const std::int8_t* grid, std::int64_t head_size, GridFloats out);
void expand_value_grid(const std::int8_t* grid, std::int64_t head_size, GridFloats out);

// Rows of keys, or of values, to read.
struct RowSource {
  const void* rows = nullptr;
  KvPrecision precision = KvPrecision::f32;
  std::int64_t stride = 0;       // elements
  const float* steps = nullptr;  // int8: see GridFloats
  const float* bases = nullptr;

  RowSource from(std::int64_t first) const {
    RowSource rest = *this;
    rest.rows = static_cast<const std::byte*>(rows) + first * stride * kv_element_bytes(precision);
    return rest;
  }
};

// A segment's rows as floats. The segment's memory must outlive it.
class KeyValueReader {
 public:
  KeyValueReader(const KeyValueSegment& segment, std::int64_t head_size);

  // Rows first .. first + count - 1, head_size floats each, without gaps.
  void keys(std::int64_t first, std::int64_t count, float* out) const;
  void values(std::int64_t first, std::int64_t count, float* out) const;
  // scores[j] = query . key j, for every key.
  void dot_keys(std::span<const float> query, float* scores) const;

 private:
  KeyValueSegment segment_;
  std::int64_t head_size_;
  std::vector<float> key_steps_, key_bases_, value_steps_, value_bases_;  // int8 only
};

// One head's rows to write: head_size elements each, without gaps. The first `held` of them hold something already.
struct KeyValueRows {
  void* keys = nullptr;
  void* values = nullptr;
  std::int64_t held = 0;
  KvPrecision precision = KvPrecision::f32;
  std::int8_t* grid = nullptr;  // as in KeyValueSegment; what lies in it counts only where rows are held

  // The rows behind them, on the same grid.
  KeyValueRows after_held(std::int64_t head_size) const {
    const std::int64_t bytes = held * head_size * kv_element_bytes(precision);
    return {static_cast<std::byte*>(keys) + bytes, static_cast<std::byte*>(values) + bytes, 0, precision, grid};
  }
  KeyValueSegment segment(std::int64_t head_size) const { return {keys, values, held, head_size, precision, grid}; }
};

// Writes rows [n, head size] (any distance apart) behind those that are held, and widens the grid where they need it.
// int8: a channel with a number that is not finite becomes NaN as a whole, so that no error is hidden.
void append_floats(const KeyValueRows& rows, View<const float> keys, View<const float> values);
// The same with the chosen rows of a segment of the same precision.
void append_rows(const KeyValueRows& rows, std::int64_t head_size, const KeyValueSegment& from,
                 std::span<const std::int64_t> chosen);
// Overwrites one of the rows that are held, and widens the grid where the new one needs it. key, value: [1, head size].
void replace_row(const KeyValueRows& rows, std::int64_t row, View<const float> key, View<const float> value);

}  // namespace scalekv::kernels
