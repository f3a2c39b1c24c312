// Two-dimensional rotary positions (RoFormer, arXiv 2104.09864; the normalised grid is Infinity's).
#pragma once

#include "base/map_size.h"
#include "runtime/tensor.h"

namespace scalekv::infinity {

struct RotaryTable {
  Tensor cosine;  // [tokens, head_size / 2]
  Tensor sine;
};

// Row r of h and column c of w sit at round_half_even(r * H / h), round_half_even(c * W / w) of the `reference` map
// H x W; the first half of the angles turns with the row, the second with the column, angle i by
// position * 10000^(-2i / (head_size / 2)). head_size is a multiple of 4.
RotaryTable make_rotary_table(MapSize map, MapSize reference, std::int64_t head_size);

}  // namespace scalekv::infinity
