#include "kernels/attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/threads.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/fast_exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

// Queries lie across the lanes: a tile works on two vectors of queries, so that maxima and sums over the keys need no
// horizontal steps and a query's arithmetic does not depend on its neighbours.
constexpr std::size_t kQueryVectors = 2;
constexpr std::size_t kMaxQueries = 2 * hn::MaxLanes(Floats());
// Keys of a register tile and keys of a block, whose probabilities are held in memory before they meet the values.
constexpr std::size_t kTileKeys = HWY_TARGET <= HWY_AVX3 ? 12 : 6;
constexpr std::size_t kBlockKeys = 96;
// Rows of queries and vectors of head channels of a register tile of probabilities x values.
constexpr std::size_t kTileRows = HWY_TARGET <= HWY_AVX3 ? 6 : 3;
constexpr std::size_t kTileVectors = 4;

// Running state of one tile of queries.
struct Tile {
  std::vector<float> queries;  // [head size][lanes of the tile], scaled
  std::vector<float> out;      // [lanes of the tile][head size rounded up to vectors]
  HWY_ALIGN float maximum[kMaxQueries];
  HWY_ALIGN float sum[kMaxQueries];
};

// scores[key][query] = q . k for Keys keys. keys: rows `stride` floats apart.
template <std::size_t Keys>
HWY_INLINE void score_tile(const float* HWY_RESTRICT queries, const float* HWY_RESTRICT keys, std::int64_t stride,
                           std::int64_t size, float* HWY_RESTRICT scores) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  Vector low[Keys], high[Keys];
  for (std::size_t k = 0; k < Keys; ++k) low[k] = high[k] = hn::Zero(d);
  for (std::int64_t c = 0; c < size; ++c) {
    const float* HWY_RESTRICT column = queries + static_cast<std::size_t>(c) * kQueryVectors * lanes;
    const Vector q0 = hn::Load(d, column);
    const Vector q1 = hn::Load(d, column + lanes);
    for (std::size_t k = 0; k < Keys; ++k) {
      const Vector key = hn::Set(d, keys[static_cast<std::int64_t>(k) * stride + c]);
      low[k] = hn::MulAdd(key, q0, low[k]);
      high[k] = hn::MulAdd(key, q1, high[k]);
    }
  }
  for (std::size_t k = 0; k < Keys; ++k) {
    hn::Store(low[k], d, scores + k * kQueryVectors * lanes);
    hn::Store(high[k], d, scores + (k * kQueryVectors + 1) * lanes);
  }
}

// out[row][channel] += sum over keys of probabilities[key][row] * values[key][channel], for Rows rows and Vectors
// vectors of channels. The last vector may be partial: `channels` of it exist.
template <std::size_t Rows, std::size_t Vectors>
HWY_INLINE void value_tile(const float* HWY_RESTRICT probabilities, std::size_t key_step, const float* HWY_RESTRICT values,
                           std::int64_t stride, std::size_t keys, std::size_t channels, float* HWY_RESTRICT out,
                           std::size_t out_stride) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  Vector sums[Rows][Vectors];
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < Vectors; ++v) sums[r][v] = hn::Load(d, out + r * out_stride + v * lanes);
  }
  const bool partial = channels < Vectors * lanes;
  for (std::size_t k = 0; k < keys; ++k) {
    const float* HWY_RESTRICT value = values + static_cast<std::int64_t>(k) * stride;
    Vector row[Vectors];
    for (std::size_t v = 0; v + 1 < Vectors; ++v) row[v] = hn::LoadU(d, value + v * lanes);
    const std::size_t last = (Vectors - 1) * lanes;
    row[Vectors - 1] = partial ? hn::MaskedLoad(hn::FirstN(d, channels - last), d, value + last) : hn::LoadU(d, value + last);
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vector p = hn::Set(d, probabilities[k * key_step + r]);
      for (std::size_t v = 0; v < Vectors; ++v) sums[r][v] = hn::MulAdd(p, row[v], sums[r][v]);
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < Vectors; ++v) hn::Store(sums[r][v], d, out + r * out_stride + v * lanes);
  }
}

template <std::size_t Rows>
HWY_INLINE void value_rows(const float* probabilities, std::size_t key_step, const float* values, std::int64_t stride,
                           std::size_t keys, std::size_t size, float* out, std::size_t out_stride) {
  const std::size_t lanes = hn::Lanes(Floats());
  std::size_t c = 0;
  for (; c + kTileVectors * lanes <= size; c += kTileVectors * lanes) {
    value_tile<Rows, kTileVectors>(probabilities, key_step, values + c, stride, keys, kTileVectors * lanes, out + c, out_stride);
  }
  for (; c < size; c += lanes) {
    value_tile<Rows, 1>(probabilities, key_step, values + c, stride, keys, std::min(lanes, size - c), out + c, out_stride);
  }
}

// Scores of a block of keys for a tile of queries: scores[key][query].
HWY_INLINE void score_block(const Tile& tile, const float* keys, std::int64_t stride, std::size_t count, std::int64_t size,
                            float* scores) {
  const std::size_t step = kQueryVectors * hn::Lanes(Floats());
  std::size_t k = 0;
  const auto at = [&](std::size_t key) { return keys + static_cast<std::int64_t>(key) * stride; };
  for (; k + kTileKeys <= count; k += kTileKeys) score_tile<kTileKeys>(tile.queries.data(), at(k), stride, size, scores + k * step);
  for (; k + 4 <= count; k += 4) score_tile<4>(tile.queries.data(), at(k), stride, size, scores + k * step);
  for (; k < count; ++k) score_tile<1>(tile.queries.data(), at(k), stride, size, scores + k * step);
}

// Online softmax: scores become exp(score - new maximum); what was summed before is rescaled to the new maximum.
HWY_INLINE void soften(Tile& tile, float* HWY_RESTRICT scores, std::size_t count, std::size_t rows, std::size_t out_stride) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t step = kQueryVectors * lanes;
  HWY_ALIGN float correction[kMaxQueries];
  for (std::size_t v = 0; v < kQueryVectors; ++v) {
    float* HWY_RESTRICT column = scores + v * lanes;
    const Vector before = hn::Load(d, tile.maximum + v * lanes);
    Vector top = before;
    for (std::size_t k = 0; k < count; ++k) top = hn::Max(top, hn::Load(d, column + k * step));
    const Vector rescale = fast_exp(d, hn::Sub(before, top));
    Vector sum = hn::Mul(hn::Load(d, tile.sum + v * lanes), rescale);
    for (std::size_t k = 0; k < count; ++k) {
      const Vector p = fast_exp(d, hn::Sub(hn::Load(d, column + k * step), top));
      hn::Store(p, d, column + k * step);
      sum = hn::Add(sum, p);
    }
    hn::Store(top, d, tile.maximum + v * lanes);
    hn::Store(sum, d, tile.sum + v * lanes);
    hn::Store(rescale, d, correction + v * lanes);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    if (correction[r] == 1.0F) continue;
    const Vector factor = hn::Set(d, correction[r]);
    float* HWY_RESTRICT out = tile.out.data() + r * out_stride;
    for (std::size_t c = 0; c < out_stride; c += lanes) hn::Store(hn::Mul(hn::Load(d, out + c), factor), d, out + c);
  }
}

// Adds the bias of queries first.. and keys first_key.. to a block of scores.
void add_bias(const AttentionHead& head, std::int64_t first, std::size_t rows, std::int64_t first_key, std::size_t count,
              std::size_t step, float* scores) {
  for (std::size_t r = 0; r < rows; ++r) {
    const float* bias = head.bias + (first + static_cast<std::int64_t>(r)) * head.bias_stride + first_key;
    for (std::size_t k = 0; k < count; ++k) scores[k * step + r] += bias[k];
  }
}

// Queries first .. first + count - 1 of one head, in tiles that share each block of keys while it is in the cache.
void attend(const AttentionHead& head, std::int64_t first, std::int64_t count, std::int64_t size, float scale) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t step = kQueryVectors * lanes;
  const auto width = static_cast<std::size_t>(size);
  const std::size_t out_stride = (width + lanes - 1) / lanes * lanes;
  const auto tile_size = static_cast<std::int64_t>(step);

  std::vector<Tile> tiles(static_cast<std::size_t>((count + tile_size - 1) / tile_size));
  std::vector<float> score_storage(kBlockKeys * step + hn::MaxLanes(d));
  for (std::size_t t = 0; t < tiles.size(); ++t) {
    Tile& tile = tiles[t];
    tile.queries.assign(width * step, 0.0F);
    tile.out.assign(step * out_stride, 0.0F);
    std::fill_n(tile.maximum, step, -std::numeric_limits<float>::max());
    std::fill_n(tile.sum, step, 0.0F);
    const std::int64_t begin = static_cast<std::int64_t>(t) * tile_size;
    for (std::int64_t r = 0; r < std::min(tile_size, count - begin); ++r) {
      const float* query = head.queries + (first + begin + r) * head.query_stride;
      for (std::size_t c = 0; c < width; ++c) tile.queries[c * step + static_cast<std::size_t>(r)] = query[c] * scale;
    }
  }
  float* scores = score_storage.data();
  std::int64_t first_key = 0;
  for (const KeyValueSegment& segment : head.segments) {
    for (std::int64_t k = 0; k < segment.count; k += static_cast<std::int64_t>(kBlockKeys)) {
      const auto keys = static_cast<std::size_t>(std::min<std::int64_t>(kBlockKeys, segment.count - k));
      for (std::size_t t = 0; t < tiles.size(); ++t) {
        const std::int64_t begin = static_cast<std::int64_t>(t) * tile_size;
        const auto rows = static_cast<std::size_t>(std::min(tile_size, count - begin));
        Tile& tile = tiles[t];
        score_block(tile, segment.keys + k * segment.stride, segment.stride, keys, size, scores);
        if (head.bias != nullptr) add_bias(head, first + begin, rows, first_key + k, keys, step, scores);
        soften(tile, scores, keys, rows, out_stride);
        const float* values = segment.values + k * segment.stride;
        std::size_t r = 0;
        for (; r + kTileRows <= rows; r += kTileRows) {
          value_rows<kTileRows>(scores + r, step, values, segment.stride, keys, width, tile.out.data() + r * out_stride, out_stride);
        }
        for (; r < rows; ++r) {
          value_rows<1>(scores + r, step, values, segment.stride, keys, width, tile.out.data() + r * out_stride, out_stride);
        }
      }
    }
    first_key += segment.count;
  }
  for (std::int64_t q = 0; q < count; ++q) {
    const Tile& tile = tiles[static_cast<std::size_t>(q / tile_size)];
    const auto r = static_cast<std::size_t>(q % tile_size);
    float* out = head.out + (first + q) * head.out_stride;
    for (std::size_t c = 0; c < width; ++c) out[c] = tile.out[r * out_stride + c] / tile.sum[r];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(attend);

// Queries of one task: enough that a block of keys is used often while it is in the cache, few enough to share evenly.
constexpr std::int64_t kTaskQueries = 128;

}  // namespace

void attention(std::span<const AttentionHead> heads, std::int64_t head_size, float scale) {
  SCALEKV_ASSERT(head_size >= 1 && head_size <= 256);
  struct Task {
    const AttentionHead* head;
    std::int64_t first;
  };
  std::vector<Task> tasks;
  for (const AttentionHead& head : heads) {
    SCALEKV_ASSERT(head.segments[0].count + head.segments[1].count > 0);
    for (std::int64_t first = 0; first < head.query_count; first += kTaskQueries) tasks.push_back({&head, first});
  }
  parallel_for(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t i) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    HWY_DYNAMIC_DISPATCH(attend)(*task.head, task.first, std::min(kTaskQueries, task.head->query_count - task.first), head_size, scale);
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
