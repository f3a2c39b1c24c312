#include "kernels/conv_blocks.h"

#include <algorithm>

#include "kernels/simd_targets.h"

// This file is compiled once per instruction set; the best one for the machine
// is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_blocks.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/fast_exp-inl.h"
#include "kernels/panel_product-inl.h"
#include "kernels/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kLine>;
using Vector = hn::Vec<Floats>;
constexpr std::size_t kLanes = hn::MaxLanes(Floats());

// One cell of a map, normalised where wanted, channels rounded up with zeros.
HWY_INLINE void read_cell(const PaddedMap& map, const float* HWY_RESTRICT in, std::size_t inputs,
                          float* HWY_RESTRICT out) {
  const Floats d;
  const auto channels = static_cast<std::size_t>(map.channels);
  const Vector one = hn::Set(d, 1.0F);
  for (std::size_t c = 0; c < inputs; c += kLanes) {
    Vector x;
    if (c + kLanes <= channels) {
      x = hn::LoadU(d, in + c);
    } else {
      HWY_ALIGN float rest[kLanes] = {};
      for (std::size_t i = c; i < channels; ++i) rest[i - c] = in[i];
      x = hn::Load(d, rest);
    }
    if (map.center != nullptr) {
      x = hn::MulAdd(hn::Sub(x, hn::LoadU(d, map.center + c)), hn::LoadU(d, map.factor + c),
                     hn::LoadU(d, map.offset + c));
      x = hn::Div(x, hn::Add(one, fast_exp(d, hn::Neg(x))));
    }
    hn::StoreU(x, d, out + c);
  }
}

void read_window(const PaddedMap& map, const Window& window, std::size_t inputs, float* strip) {
  const std::int64_t stored_width = map.doubled ? map.width / 2 : map.width;
  for (std::int64_t r = 0; r < window.rows; ++r) {
    const std::int64_t row = window.top + r;
    for (std::int64_t c = 0; c < window.columns; ++c, strip += inputs) {
      const std::int64_t column = window.left + c;
      if (row < 0 || row >= map.height || column < 0 || column >= map.width) {
        std::fill_n(strip, inputs, 0.0F);
      } else {
        const std::int64_t cell = map.doubled ? row / 2 * stored_width + column / 2 : row * stored_width + column;
        read_cell(map, map.data + cell * map.channels, inputs, strip);
      }
    }
  }
}

void transform_weights(const float* weight, std::size_t inputs, std::size_t begin, std::size_t end, float* points) {
  const Floats d;
  const std::size_t plane = kSlab * inputs;
  for (std::size_t i = begin; i < end; i += kLanes) {
    Vector columns[3 * kWindow];  // [3][6]
    for (std::size_t r = 0; r < 3; ++r) {
      Vector row[3];
      for (std::size_t c = 0; c < 3; ++c) row[c] = hn::LoadU(d, weight + (r * 3 + c) * plane + i);
      transform_weight(d, row, columns + r * kWindow, 1);
    }
    for (std::size_t c = 0; c < kWindow; ++c) {
      const Vector column[3] = {columns[c], columns[kWindow + c], columns[2 * kWindow + c]};
      Vector out[kWindow];
      transform_weight(d, column, out, 1);
      for (std::size_t r = 0; r < kWindow; ++r) {
        hn::StoreU(out[r], d, points + (r * kWindow + c) * weight_plane(inputs) + i);
      }
    }
  }
}

// One tile's 6x6 inputs, rows `stride` apart -> points: [36][window_plane].
HWY_INLINE void transform_window(const float* HWY_RESTRICT strip, std::size_t stride, std::size_t inputs,
                                 float* HWY_RESTRICT points) {
  const Floats d;
  for (std::size_t k = 0; k < inputs; k += kLanes) {
    Vector rows[kPoints];  // [6][6]
    for (std::size_t c = 0; c < kWindow; ++c) {
      Vector column[kWindow];
      HWY_UNROLL(6)
      for (std::size_t r = 0; r < kWindow; ++r) column[r] = hn::LoadU(d, strip + r * stride + c * inputs + k);
      transform_input(d, column, rows + c, kWindow);
    }
    for (std::size_t r = 0; r < kWindow; ++r) {
      Vector out[kWindow];
      transform_input(d, rows + r * kWindow, out, 1);
      HWY_UNROLL(6)
      for (std::size_t c = 0; c < kWindow; ++c) {
        hn::StoreU(out[c], d, points + (r * kWindow + c) * window_plane(inputs) + k);
      }
    }
  }
}

// y of one cell = or += sums + bias, for outputs begin.. of a slab.
HWY_INLINE void write_vector(const OutputBlock& block, std::size_t output, Vector sum, float* HWY_RESTRICT y) {
  const Floats d;
  if (output + kLanes <= block.outputs) {
    if (block.bias != nullptr) sum = hn::Add(sum, hn::LoadU(d, block.bias + output));
    if (block.accumulate) sum = hn::Add(hn::LoadU(d, y + output), sum);
    hn::StoreU(sum, d, y + output);
    return;
  }
  HWY_ALIGN float values[kLanes];
  hn::Store(sum, d, values);
  for (std::size_t i = output; i < block.outputs; ++i) {
    const float value = values[i - output] + (block.bias == nullptr ? 0.0F : block.bias[i]);
    y[i] = block.accumulate ? y[i] + value : value;
  }
}

// One tile's outputs of a slab: products: [36][product_plane] -> up to 4x4
// cells.
HWY_INLINE void transform_products(const float* HWY_RESTRICT products, const OutputBlock& block, std::size_t slab,
                                   std::int64_t row, std::int64_t column) {
  const Floats d;
  const std::int64_t rows = std::min<std::int64_t>(kTile, block.rows - row);
  const std::int64_t columns = std::min<std::int64_t>(kTile, block.columns - column);
  for (std::size_t n = 0; n < kSlab && slab + n < block.outputs; n += kLanes) {
    Vector halves[kTile * kWindow];  // [4][6]
    for (std::size_t c = 0; c < kWindow; ++c) {
      Vector points[kWindow];
      HWY_UNROLL(6)
      for (std::size_t r = 0; r < kWindow; ++r) {
        points[r] = hn::LoadU(d, products + (r * kWindow + c) * product_plane() + n);
      }
      transform_output(d, points, halves + c, kWindow);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      Vector cells[kTile];
      transform_output(d, halves + static_cast<std::size_t>(r) * kWindow, cells, 1);
      float* y = block.data + (row + r) * block.row_stride + column * block.cell_stride;
      for (std::int64_t c = 0; c < columns; ++c) {
        write_vector(block, slab + n, cells[static_cast<std::size_t>(c)], y + c * block.cell_stride);
      }
    }
  }
}

void convolve_tiles(const float* strip, std::size_t columns, std::size_t inputs, const float* weights,
                    const OutputBlock& block, float* windows, float* products) {
  const std::size_t tile_rows = (static_cast<std::size_t>(block.rows) + kTile - 1) / kTile;
  const std::size_t tile_columns = (static_cast<std::size_t>(block.columns) + kTile - 1) / kTile;
  const std::size_t tiles = tile_rows * tile_columns;
  for (std::size_t t = 0; t < tiles; ++t) {
    const std::size_t corner = t / tile_columns * kTile * columns + t % tile_columns * kTile;
    transform_window(strip + corner * inputs, columns * inputs, inputs, windows + t * inputs);
  }
  const Floats d;
  for (std::size_t slab = 0; slab < block.outputs; slab += kSlab, weights += kPoints * weight_plane(inputs)) {
    for (std::size_t point = 0; point < kPoints; ++point) {
      multiply_two_panels(d, windows + point * window_plane(inputs), inputs, tiles, inputs,
                          weights + point * weight_plane(inputs), false, products + point * product_plane(), kSlab);
    }
    for (std::size_t t = 0; t < tiles; ++t) {
      transform_products(products + t * kSlab, block, slab, static_cast<std::int64_t>(t / tile_columns * kTile),
                         static_cast<std::int64_t>(t % tile_columns * kTile));
    }
  }
}

void convolve_cells(const float* strip, std::size_t columns, std::size_t inputs, std::size_t kernel, std::size_t stride,
                    const float* weights, const OutputBlock& block, float* sums) {
  const Floats d;
  for (std::size_t slab = 0; slab < block.outputs; slab += kSlab) {
    for (std::size_t tap = 0; tap < kernel * kernel; ++tap, weights += kSlab * inputs) {
      multiply_two_panels(d, strip + (tap / kernel * columns + tap % kernel) * inputs, stride * inputs,
                          static_cast<std::size_t>(block.columns), inputs, weights, tap > 0, sums, kSlab);
    }
    for (std::int64_t c = 0; c < block.columns; ++c) {
      for (std::size_t n = 0; n < kSlab && slab + n < block.outputs; n += kLanes) {
        write_vector(block, slab + n, hn::LoadU(d, sums + static_cast<std::size_t>(c) * kSlab + n),
                     block.data + c * block.cell_stride);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {

HWY_EXPORT(read_window);
HWY_EXPORT(transform_weights);
HWY_EXPORT(convolve_tiles);
HWY_EXPORT(convolve_cells);

void read_window(const PaddedMap& map, const Window& window, std::size_t inputs, float* strip) {
  HWY_DYNAMIC_DISPATCH(read_window)(map, window, inputs, strip);
}

void transform_weights(const float* weight, std::size_t inputs, std::size_t begin, std::size_t end, float* points) {
  HWY_DYNAMIC_DISPATCH(transform_weights)(weight, inputs, begin, end, points);
}

void convolve_tiles(const float* strip, std::size_t columns, std::size_t inputs, const float* weights,
                    const OutputBlock& block, float* windows, float* products) {
  HWY_DYNAMIC_DISPATCH(convolve_tiles)
  (strip, columns, inputs, weights, block, windows, products);
}

void convolve_cells(const float* strip, std::size_t columns, std::size_t inputs, std::size_t kernel, std::size_t stride,
                    const float* weights, const OutputBlock& block, float* sums) {
  HWY_DYNAMIC_DISPATCH(convolve_cells)
  (strip, columns, inputs, kernel, stride, weights, block, sums);
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
