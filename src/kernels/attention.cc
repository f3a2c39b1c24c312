#include "kernels/attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/simd_targets.h"
#include "runtime/tensor.h"
#include "runtime/threads.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/attention_scores-inl.h"
#include "kernels/fast_exp-inl.h"
#include "kernels/stored_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
constexpr std::size_t kBlockKeys = 96;  // keys that are packed together, to stay in the cache for every tile of a task
// Rows of queries and vectors of head channels of a register tile of probabilities x values.
constexpr std::size_t kTileRows = kTileQueries < 4 ? kTileQueries : 4;
constexpr std::size_t kTileVectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;
// Queries of one task: enough that packing a block of keys is paid for, few enough to share evenly.
constexpr std::size_t kTaskQueries = 128;
constexpr std::size_t kMaxTiles = kTaskQueries / kTileQueries;

// Running state of one tile of queries. Arrays lie in the task's scratch memory.
struct Tile {
  float* queries = nullptr;  // [head size][kTileQueries], scaled
  IntegerQueries rounded;    // the same for the segment's keys, where they are int8
  float* out = nullptr;      // [kTileQueries][width]
  HWY_ALIGN float maximum[kTileQueries];
  HWY_ALIGN float sum[kTileQueries];
};

// out[row][channel] += sum over keys of probabilities[key][row] * values[key][channel], for kTileRows rows and Vectors
// vectors of channels.
template <std::size_t Vectors>
HWY_INLINE void value_tile(const float* HWY_RESTRICT probabilities, const float* HWY_RESTRICT values, std::size_t keys,
                           std::size_t width, float* HWY_RESTRICT out) {
  const Floats d;
  Vector sums[kTileRows][Vectors];
  HWY_UNROLL(4)
  for (std::size_t r = 0; r < kTileRows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < Vectors; ++v) sums[r][v] = hn::Load(d, out + r * width + v * kLanes);
  }
  for (std::size_t k = 0; k < keys; ++k) {
    Vector row[Vectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < Vectors; ++v) row[v] = hn::Load(d, values + k * width + v * kLanes);
    HWY_UNROLL(4)
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const Vector p = hn::Set(d, probabilities[k * kTileQueries + r]);
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < Vectors; ++v) sums[r][v] = hn::MulAdd(p, row[v], sums[r][v]);
    }
  }
  HWY_UNROLL(4)
  for (std::size_t r = 0; r < kTileRows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < Vectors; ++v) hn::Store(sums[r][v], d, out + r * width + v * kLanes);
  }
}

// Adds the block's weighted values to the outputs of the tile's first `rows` queries (and some empty lanes after them).
void value_block(const Tile& tile, const float* probabilities, const float* values, std::size_t keys, std::size_t width,
                 std::size_t rows) {
  for (std::size_t c = 0; c < width;) {
    const bool wide = c + kTileVectors * kLanes <= width;
    for (std::size_t r = 0; r < rows; r += kTileRows) {
      float* out = tile.out + r * width + c;
      if (wide) {
        value_tile<kTileVectors>(probabilities + r, values + c, keys, width, out);
      } else {
        value_tile<1>(probabilities + r, values + c, keys, width, out);
      }
    }
    c += (wide ? kTileVectors : 1) * kLanes;
  }
}

// Online softmax: scores become exp(score - new maximum); what was summed before is rescaled to the new maximum.
void soften(Tile& tile, float* HWY_RESTRICT scores, std::size_t count, std::size_t rows, std::size_t width) {
  const Floats d;
  HWY_ALIGN float correction[kTileQueries];
  for (std::size_t v = 0; v < kTileQueries; v += kLanes) {
    float* HWY_RESTRICT column = scores + v;
    const Vector before = hn::Load(d, tile.maximum + v);
    Vector top = before;
    for (std::size_t k = 0; k < count; ++k) top = hn::Max(top, hn::Load(d, column + k * kTileQueries));
    const Vector rescale = fast_exp(d, hn::Sub(before, top));
    Vector sum = hn::Mul(hn::Load(d, tile.sum + v), rescale);
    for (std::size_t k = 0; k < count; ++k) {
      const Vector p = fast_exp(d, hn::Sub(hn::Load(d, column + k * kTileQueries), top));
      hn::Store(p, d, column + k * kTileQueries);
      sum = hn::Add(sum, p);
    }
    hn::Store(top, d, tile.maximum + v);
    hn::Store(sum, d, tile.sum + v);
    hn::Store(rescale, d, correction + v);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    if (correction[r] == 1.0F) continue;
    const Vector factor = hn::Set(d, correction[r]);
    float* HWY_RESTRICT out = tile.out + r * width;
    for (std::size_t c = 0; c < width; c += kLanes) hn::Store(hn::Mul(hn::Load(d, out + c), factor), d, out + c);
  }
}

// Adds the bias of the tile's queries (first..) and the block's keys (first_key..) to the scores.
void add_bias(const AttentionHead& head, std::size_t first, std::size_t rows, std::int64_t first_key, std::size_t count,
              float* scores) {
  for (std::size_t r = 0; r < rows; ++r) {
    const float* bias = head.bias + static_cast<std::int64_t>(first + r) * head.bias_stride + first_key;
    for (std::size_t k = 0; k < count; ++k) scores[k * kTileQueries + r] += bias[k];
  }
}

// Floats of scratch memory for one task.
std::size_t scratch_floats(std::size_t size) {
  const std::size_t width = padded(size);
  const std::size_t rounded = kTaskQueries * (width / 2 + 1 + 2);  // codes of 16 bits, scales and constants
  return kTaskQueries * (size + width) + rounded + kBlockKeys * (2 * width + kTileQueries) + 4 * width;
}

// Takes queries first .. first + count - 1, scaled, and has seen no key yet.
void begin_tile(const AttentionHead& head, std::int64_t first, std::size_t count, std::size_t size, float scale,
                Tile& tile) {
  std::fill_n(tile.queries, kTileQueries * size, 0.0F);
  std::fill_n(tile.out, kTileQueries * padded(size), 0.0F);
  std::fill_n(tile.maximum, kTileQueries, -std::numeric_limits<float>::max());
  std::fill_n(tile.sum, kTileQueries, 0.0F);
  for (std::size_t r = 0; r < count; ++r) {
    const float* query = head.queries + (first + static_cast<std::int64_t>(r)) * head.query_stride;
    for (std::size_t c = 0; c < size; ++c) tile.queries[c * kTileQueries + r] = query[c] * scale;
  }
}

// Makes floats of a segment's grid, four rows of them, and rounds the queries for its keys.
void take_grid(const std::int8_t* grid, std::size_t size, float* grids, std::span<Tile> tiles) {
  const std::size_t width = padded(size);
  const GridFloats keys{grids, grids + width};
  expand_key_grid(grid, static_cast<std::int64_t>(size), keys);
  expand_value_grid(grid, static_cast<std::int64_t>(size), {grids + 2 * width, grids + 3 * width});
  for (Tile& tile : tiles) round_queries(tile.queries, size, keys, tile.rounded);
}

// The sums of weighted values, divided by those of the weights.
void write_outputs(const Tile* tiles, const AttentionHead& head, std::int64_t first, std::size_t count,
                   std::size_t size) {
  for (std::size_t q = 0; q < count; ++q) {
    const Tile& tile = tiles[q / kTileQueries];
    const std::size_t r = q % kTileQueries;
    float* out = head.out + (first + static_cast<std::int64_t>(q)) * head.out_stride;
    for (std::size_t c = 0; c < size; ++c) out[c] = tile.out[r * padded(size) + c] / tile.sum[r];
  }
}

// Queries first .. first + count - 1 of one head, in tiles that share each packed block of keys.
void attend(const AttentionHead& head, std::int64_t first, std::size_t count, std::size_t size, float scale,
            float* scratch) {
  const std::size_t width = padded(size);
  float* keys = scratch;
  float* values = keys + kBlockKeys * width;
  float* scores = values + kBlockKeys * width;
  float* outputs = scores + kBlockKeys * kTileQueries;
  float* queries = outputs + kTaskQueries * width;
  float* scales = queries + kTaskQueries * size;
  float* constants = scales + kTaskQueries;
  float* grids = constants + kTaskQueries;
  auto* codes = reinterpret_cast<std::int16_t*>(grids + 4 * width);
  auto* key_codes = reinterpret_cast<std::int16_t*>(keys);  // instead of floats

  const std::size_t tile_count = (count + kTileQueries - 1) / kTileQueries;
  Tile tiles[kMaxTiles];
  for (std::size_t t = 0; t < tile_count; ++t) {
    Tile& tile = tiles[t];
    tile.queries = queries + t * kTileQueries * size;
    tile.out = outputs + t * kTileQueries * width;
    tile.rounded = {codes + t * kTileQueries * width, scales + t * kTileQueries, constants + t * kTileQueries};
    const std::size_t begin = t * kTileQueries;
    begin_tile(head, first + static_cast<std::int64_t>(begin), std::min(kTileQueries, count - begin), size, scale,
               tile);
  }
  std::int64_t first_key = 0;
  for (const KeyValueSegment& segment : head.segments) {
    RowSource key_rows{segment.keys, segment.precision, segment.stride, grids, grids + width};
    RowSource value_rows{segment.values, segment.precision, segment.stride, grids + 2 * width, grids + 3 * width};
    const bool integers = segment.precision == KvPrecision::int8;
    if (integers && segment.count > 0) take_grid(segment.grid, size, grids, {tiles, tile_count});
    for (std::int64_t k = 0; k < segment.count; k += static_cast<std::int64_t>(kBlockKeys)) {
      const auto block = static_cast<std::size_t>(std::min<std::int64_t>(kBlockKeys, segment.count - k));
      // Packed as well as converted: rows a power of two apart would fall on the same few lines of the cache.
      if (integers) {
        pack_key_codes(static_cast<const std::uint8_t*>(key_rows.from(k).rows), segment.stride, block, size, width,
                       key_codes);
      } else {
        rows_to_floats(key_rows.from(k), block, size, width, keys);
      }
      rows_to_floats(value_rows.from(k), block, size, width, values);
      for (std::size_t t = 0; t < tile_count; ++t) {
        const std::size_t begin = t * kTileQueries;
        const std::size_t rows = std::min(kTileQueries, count - begin);
        if (integers) {
          score_block(tiles[t].rounded, key_codes, block, size, scores);
        } else {
          score_block(tiles[t].queries, keys, block, size, scores);
        }
        if (head.bias != nullptr) {
          add_bias(head, static_cast<std::size_t>(first) + begin, rows, first_key + k, block, scores);
        }
        soften(tiles[t], scores, block, rows, width);
        value_block(tiles[t], scores, values, block, width, rows);
      }
    }
    first_key += segment.count;
  }
  write_outputs(tiles, head, first, count, size);
}

std::size_t task_queries() { return kTaskQueries; }

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(attend);
HWY_EXPORT(scratch_floats);
HWY_EXPORT(task_queries);

}  // namespace

void attention(std::span<const AttentionHead> heads, std::int64_t head_size, float scale) {
  SCALEKV_ASSERT(head_size >= 1 && head_size <= 256);
  const auto size = static_cast<std::size_t>(head_size);
  const auto step = static_cast<std::int64_t>(HWY_DYNAMIC_DISPATCH(task_queries)());
  struct Task {
    const AttentionHead* head;
    std::int64_t first;
  };
  std::vector<Task> tasks;
  for (const AttentionHead& head : heads) {
    SCALEKV_ASSERT(head.segments[0].count + head.segments[1].count > 0);
    for (std::int64_t first = 0; first < head.query_count; first += step) tasks.push_back({&head, first});
  }
  // One scratch row a thread; multiples of 16 floats keep every array in it aligned.
  const auto row = static_cast<std::int64_t>((HWY_DYNAMIC_DISPATCH(scratch_floats)(size) + 15) / 16 * 16);
  Tensor scratch(DType::f32, {threads(), row}, MemoryKind::other);
  const View<float> rows = scratch.view<float>();
  parallel_for(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t i, int worker) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    const std::int64_t count = std::min(step, task.head->query_count - task.first);
    HWY_DYNAMIC_DISPATCH(attend)
    (*task.head, task.first, static_cast<std::size_t>(count), size, scale, rows.at(worker, 0));
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
