#include "kernels/conv.h"

#include <omp.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/threads.h"
#include "kernels/simd_targets.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/fast_exp-inl.h"
#include "kernels/panel_product-inl.h"
#include "kernels/winograd-inl.h"

#ifndef SCALEKV_KERNELS_CONV_CONSTANTS
#define SCALEKV_KERNELS_CONV_CONSTANTS
namespace scalekv::kernels {

constexpr std::size_t kLine = 16;  // floats; channels are rounded up to this
constexpr std::size_t kSlab = 32;  // outputs that are computed together: two panels
constexpr std::size_t kTile = 4, kWindow = 6, kPoints = kWindow * kWindow;
// Tiles of a task: kBlockRows x kBlockColumns, whose inputs are normalised once; cells of a task without tiles.
constexpr std::size_t kBlockRows = 4, kBlockColumns = 12, kBlock = kBlockRows * kBlockColumns;

// Distances between planes of equal meaning; the extra line keeps them out of each other's cache sets.
constexpr std::size_t weight_plane(std::size_t inputs) { return kSlab * inputs + kLine; }
constexpr std::size_t window_plane(std::size_t inputs) { return kBlock * inputs + kLine; }
constexpr std::size_t product_plane() { return kBlock * kSlab + kLine; }

// A map that is read with normalisation and doubling, padded by zeros on all sides. Sizes as if doubled.
struct PaddedMap {
  const float* data;
  std::int64_t height, width, channels;
  bool doubled;
  const float *center, *factor, *offset;  // null: as it is
};

// A rectangle of a map: rows and columns from `top`, `left` (which may lie outside).
struct Window {
  std::int64_t top, left, rows, columns;
};

// Where the outputs of a task go: `rows` x `columns` cells of y at (row, column).
struct OutputBlock {
  float* data;
  std::int64_t row_stride, cell_stride, rows, columns;
  std::size_t outputs;
  const float* bias;  // may be null
  bool accumulate;
};

}  // namespace scalekv::kernels
#endif

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

// strip: [rows][columns][inputs]
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

// weight: [9][32 inputs] of a slab -> points: [36][weight_plane], of which the part begin..end-1 of the planes.
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

// One tile's outputs of a slab: products: [36][product_plane] -> up to 4x4 cells.
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

// A block of tiles. strip: the inputs, [4 * tile rows + 2][columns][inputs]; weights: [slabs][36][weight_plane].
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

// A run of cells of one row, any kernel. strip: [kernel][columns][inputs]; weights: [slabs][kernel^2][32 inputs].
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
namespace {

HWY_EXPORT(read_window);
HWY_EXPORT(transform_weights);
HWY_EXPORT(convolve_tiles);
HWY_EXPORT(convolve_cells);

std::size_t round_up(std::int64_t count, std::size_t step) {
  return (static_cast<std::size_t>(count) + step - 1) / step * step;
}
std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Floats that a convolution works in: the weights at Winograd's points, then for each thread inputs, the inputs at
// Winograd's points, and sums.
struct Scratch {
  std::size_t weights = 0, strip = 0, windows = 0, sums = 0;

  Scratch(std::size_t inputs, std::size_t outputs, std::size_t kernel, std::size_t stride, bool tiles) {
    if (tiles) {
      weights = outputs / kSlab * kPoints * weight_plane(inputs);
      strip = (kBlockRows * kTile + 2) * (kBlockColumns * kTile + 2) * inputs;
      windows = kPoints * window_plane(inputs);
      sums = kPoints * product_plane();
    } else {
      strip = kernel * ((kBlock - 1) * stride + kernel) * inputs;
      sums = kBlock * kSlab;
    }
  }
  std::size_t per_thread() const { return strip + windows + sums; }
  std::int64_t bytes() const {
    return static_cast<std::int64_t>((weights + static_cast<std::size_t>(threads()) * per_thread()) * sizeof(float));
  }
};

bool uses_tiles(std::int64_t kernel, std::int64_t stride) { return kernel == 3 && stride == 1; }

std::vector<float> padded(const std::vector<float>& values, std::size_t count) {
  std::vector<float> copy = values;
  copy.resize(count, 0.0F);
  return copy;
}

// The terms of a norm, rounded up with zeros, which keep channels that are not there zero.
struct PaddedTerms {
  std::vector<float> center, factor, offset;

  PaddedTerms(const GroupNormTerms& terms, std::size_t inputs)
      : center(padded(terms.center, inputs)),
        factor(padded(terms.factor, inputs)),
        offset(padded(terms.offset, inputs)) {}
};

}  // namespace

struct Conv2d::Impl {
  std::int64_t in = 0, out = 0, kernel = 0;
  ConvGeometry geometry;
  std::size_t inputs = 0, outputs = 0;  // rounded up
  Tensor weight;                        // [outputs / 32][kernel^2][2 panels][inputs][16]
  Tensor bias;                          // [out], or empty

  bool tiles() const { return uses_tiles(kernel, geometry.stride); }
  const float* bias_values() const { return bias.empty() ? nullptr : bias.view<float>().data(); }
  std::int64_t output_size(std::int64_t size, std::int64_t padding) const {
    return (size + padding - kernel) / geometry.stride + 1;
  }

  void lay_out(View<const float> source) {
    float* target = weight.view<float>().data();
    const auto taps = static_cast<std::size_t>(kernel * kernel);
    for (std::size_t n = 0; n < outputs; ++n) {
      for (std::size_t tap = 0; tap < taps; ++tap) {
        float* panel = target + (n / kSlab * taps + tap) * kSlab * inputs + n % kSlab / kLine * kLine * inputs;
        for (std::size_t k = 0; k < inputs; ++k) {
          const bool exists = static_cast<std::int64_t>(n) < out && static_cast<std::int64_t>(k) < in;
          panel[k * kLine + n % kLine] =
              exists ? source.data()[(n * static_cast<std::size_t>(in) + k) * taps + tap] : 0.0F;
        }
      }
    }
  }

  // The block of y at (row, column).
  OutputBlock block(View<float> y, std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns,
                    bool accumulate) const {
    return {.data = y.at(row, column, 0),
            .row_stride = y.stride(0),
            .cell_stride = y.stride(1),
            .rows = std::min(rows, y.size(0) - row),
            .columns = std::min(columns, y.size(1) - column),
            .outputs = static_cast<std::size_t>(out),
            .bias = bias_values(),
            .accumulate = accumulate};
  }

  void run_tiles(const PaddedMap& map, View<float> y, float* memory, bool accumulate) const {
    const Scratch sizes(inputs, outputs, 3, 1, true);
    float* points = memory;
    const std::size_t pieces = inputs / kLine;  // of a slab
    parallel_for(static_cast<std::int64_t>(outputs / kSlab * pieces), [&](std::int64_t task) {
      const std::size_t slab = static_cast<std::size_t>(task) / pieces, piece = static_cast<std::size_t>(task) % pieces;
      HWY_DYNAMIC_DISPATCH(transform_weights)
      (weight.view<float>().data() + slab * 9 * kSlab * inputs, inputs, piece * kSlab * kLine,
       (piece + 1) * kSlab * kLine, points + slab * kPoints * weight_plane(inputs));
    });
    constexpr std::int64_t kSide = kTile, kRows = kBlockRows * kTile, kColumns = kBlockColumns;
    const std::int64_t tile_columns = ceil_divide(y.size(1), kSide);
    const std::int64_t across = ceil_divide(tile_columns, kColumns);
    parallel_for(ceil_divide(y.size(0), kRows) * across, [&](std::int64_t task) {
      const std::int64_t row = task / across * kRows;
      const std::int64_t begin = task % across * tile_columns / across * kSide;
      const std::int64_t end = (task % across + 1) * tile_columns / across * kSide;
      const OutputBlock target = block(y, row, begin, kRows, end - begin, accumulate);
      const Window window{.top = row - geometry.pad_top,
                          .left = begin - geometry.pad_left,
                          .rows = ceil_divide(target.rows, kSide) * kSide + 2,
                          .columns = end - begin + 2};
      float* strip = thread_memory(memory, sizes);
      HWY_DYNAMIC_DISPATCH(read_window)(map, window, inputs, strip);
      HWY_DYNAMIC_DISPATCH(convolve_tiles)
      (strip, static_cast<std::size_t>(window.columns), inputs, points, target, strip + sizes.strip,
       strip + sizes.strip + sizes.windows);
    });
  }

  void run_cells(const PaddedMap& map, View<float> y, float* memory, bool accumulate) const {
    const std::int64_t stride = geometry.stride;
    const Scratch sizes(inputs, outputs, static_cast<std::size_t>(kernel), static_cast<std::size_t>(stride), false);
    constexpr std::int64_t kCells = kBlock;
    const std::int64_t across = ceil_divide(y.size(1), kCells);
    parallel_for(y.size(0) * across, [&](std::int64_t task) {
      const std::int64_t row = task / across, column = task % across * kCells;
      const OutputBlock target = block(y, row, column, 1, kCells, accumulate);
      const Window window{.top = row * stride - geometry.pad_top,
                          .left = column * stride - geometry.pad_left,
                          .rows = kernel,
                          .columns = (kCells - 1) * stride + kernel};
      float* strip = thread_memory(memory, sizes);
      HWY_DYNAMIC_DISPATCH(read_window)(map, window, inputs, strip);
      HWY_DYNAMIC_DISPATCH(convolve_cells)
      (strip, static_cast<std::size_t>(window.columns), inputs, static_cast<std::size_t>(kernel),
       static_cast<std::size_t>(stride), weight.view<float>().data(), target, strip + sizes.strip);
    });
  }

  static float* thread_memory(float* memory, const Scratch& sizes) {
    return memory + sizes.weights + static_cast<std::size_t>(omp_get_thread_num()) * sizes.per_thread();
  }
};

Conv2d::Conv2d(const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry, MemoryKind kind) {
  if (weight.shape().rank() != 4 || weight.shape()[2] != weight.shape()[3]) {
    fail("a convolution's weight has shape {}, expected [O, I, k, k]", weight.shape().to_string());
  }
  auto impl = std::make_shared<Impl>();
  impl->out = weight.shape()[0];
  impl->in = weight.shape()[1];
  impl->kernel = weight.shape()[2];
  impl->geometry = geometry;
  if (!bias.empty()) {
    if (bias.elements() != impl->out) fail("a bias of {} elements for {} channels", bias.elements(), impl->out);
    impl->bias = bias.convert_to_float(kind);
  }
  impl->inputs = round_up(impl->in, kLine);
  impl->outputs = round_up(impl->out, kSlab);
  const auto elements = static_cast<std::int64_t>(impl->outputs * impl->inputs) * impl->kernel * impl->kernel;
  impl->weight = Tensor(DType::f32, {elements}, kind);
  const Tensor plain = weight.convert_to_float(MemoryKind::other);
  impl->lay_out(plain.view<float>());
  impl_ = std::move(impl);
}

std::int64_t Conv2d::weight_bytes(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel) {
  const std::size_t area = round_up(inputs, kLine) * round_up(outputs, kSlab);
  return 4 * (static_cast<std::int64_t>(area) * kernel * kernel + outputs);
}

std::int64_t Conv2d::scratch_bytes(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel,
                                   std::int64_t stride) {
  return Scratch(round_up(inputs, kLine), round_up(outputs, kSlab), static_cast<std::size_t>(kernel),
                 static_cast<std::size_t>(stride), uses_tiles(kernel, stride))
      .bytes();
}

std::int64_t Conv2d::input_channels() const { return impl_->in; }
std::int64_t Conv2d::output_channels() const { return impl_->out; }
std::int64_t Conv2d::output_height(std::int64_t height) const {
  return impl_->output_size(height, impl_->geometry.pad_top + impl_->geometry.pad_bottom);
}
std::int64_t Conv2d::output_width(std::int64_t width) const {
  return impl_->output_size(width, impl_->geometry.pad_left + impl_->geometry.pad_right);
}

void Conv2d::run(const ConvInput& x, View<float> y, GrowBuffer& scratch, bool accumulate) const {
  const Impl& impl = *impl_;
  const View<const float> map = x.map;
  const std::int64_t factor = x.doubled ? 2 : 1;
  const bool fits =
      map.rank() == 3 && y.rank() == 3 && map.contiguous() && y.contiguous() && map.size(2) == impl.in &&
      y.shape() == Shape{output_height(factor * map.size(0)), output_width(factor * map.size(1)), impl.out};
  if (!fits) {
    fail("a convolution of {} to {} channels was given {} and {}", impl.in, impl.out, map.shape().to_string(),
         y.shape().to_string());
  }
  PaddedMap padded_map{.data = map.data(),
                       .height = factor * map.size(0),
                       .width = factor * map.size(1),
                       .channels = impl.in,
                       .doubled = x.doubled,
                       .center = nullptr,
                       .factor = nullptr,
                       .offset = nullptr};
  std::optional<PaddedTerms> terms;
  if (x.norm_swish != nullptr) {
    SCALEKV_ASSERT(static_cast<std::int64_t>(x.norm_swish->center.size()) == impl.in);
    terms.emplace(*x.norm_swish, impl.inputs);
    padded_map.center = terms->center.data();
    padded_map.factor = terms->factor.data();
    padded_map.offset = terms->offset.data();
  }
  const std::int64_t needed = scratch_bytes(impl.in, impl.out, impl.kernel, impl.geometry.stride);
  if (scratch.size() < needed) scratch.resize(needed);
  auto* memory = reinterpret_cast<float*>(scratch.data());
  impl.tiles() ? impl.run_tiles(padded_map, y, memory, accumulate) : impl.run_cells(padded_map, y, memory, accumulate);
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
