// Attention of one head over a cache in two pieces, without ever forming the L x N score matrix: online softmax over
// blocks of keys (Milakov & Gimelshein, arXiv 1805.02867; blocked as in FlashAttention, arXiv 2205.14135).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/stored_rows.h"

namespace scalekv::kernels {

// One head's queries [count, head_size] over the keys of both segments (either may be empty, not both):
// out = softmax(scale * q k^T + bias) v. Rows of floats are used as they are or widened block by block. Codes of keys
// are multiplied as integers with queries of 16 bits, rounded query by query; all that follows is float.
struct AttentionHead {
  const float* queries = nullptr;
  std::int64_t query_stride = 0;
  std::int64_t query_count = 0;
  std::array<KeyValueSegment, 2> segments;
  // Optional [query_count, keys of both segments]; nullptr for none. T5's relative position bias.
  const float* bias = nullptr;
  std::int64_t bias_stride = 0;
  float* out = nullptr;
  std::int64_t out_stride = 0;
};

// Runs every head, shared among the threads by (head, block of queries). The result of a query depends neither on its
// neighbours nor on the thread count. head_size: any from 1 to 256.
void attention(std::span<const AttentionHead> heads, std::int64_t head_size, float scale);

}  // namespace scalekv::kernels
