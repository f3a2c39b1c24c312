#include "kernels/conv.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/ceil_divide.h"
#include "base/error.h"
#include "kernels/conv_blocks.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

std::size_t round_up(std::int64_t count, std::size_t step) {
  return (static_cast<std::size_t>(count) + step - 1) / step * step;
}

// Floats that a convolution works in: the weights at Winograd's points, then
// for each thread inputs, the inputs at Winograd's points, and sums.
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

// The terms of a norm, rounded up with zeros, which keep channels that are not
// there zero.
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
    parallel_for_static(static_cast<std::int64_t>(outputs / kLine), [&](std::int64_t line) {
      const std::size_t first = static_cast<std::size_t>(line) * kLine;  // output
      float* panel = target + first / kSlab * taps * kSlab * inputs + first % kSlab * inputs;
      // A block of inputs at a time, whose part of the panels stays in the first-level cache.
      for (std::size_t block = 0; block < inputs; block += kLine) {
        for (std::size_t n = first; n < first + kLine; ++n) {
          for (std::size_t k = block; k < block + kLine; ++k) {
            const bool exists = static_cast<std::int64_t>(n) < out && static_cast<std::int64_t>(k) < in;
            const float* values = source.data() + (exists ? (n * static_cast<std::size_t>(in) + k) * taps : 0);
            float* cell = panel + k * kLine + n % kLine;
            for (std::size_t tap = 0; tap < taps; ++tap) cell[tap * kSlab * inputs] = exists ? values[tap] : 0.0F;
          }
        }
      }
    });
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
      transform_weights(weight.view<float>().data() + slab * 9 * kSlab * inputs, inputs, piece * kSlab * kLine,
                        (piece + 1) * kSlab * kLine, points + slab * kPoints * weight_plane(inputs));
    });
    constexpr std::int64_t kSide = kTile, kRows = kBlockRows * kTile, kColumns = kBlockColumns;
    const std::int64_t tile_columns = ceil_divide(y.size(1), kSide);
    const std::int64_t across = ceil_divide(tile_columns, kColumns);
    parallel_for(ceil_divide(y.size(0), kRows) * across, [&](std::int64_t task, int worker) {
      const std::int64_t row = task / across * kRows;
      const std::int64_t begin = task % across * tile_columns / across * kSide;
      const std::int64_t end = (task % across + 1) * tile_columns / across * kSide;
      const OutputBlock target = block(y, row, begin, kRows, end - begin, accumulate);
      const Window window{.top = row - geometry.pad_top,
                          .left = begin - geometry.pad_left,
                          .rows = ceil_divide(target.rows, kSide) * kSide + 2,
                          .columns = end - begin + 2};
      float* strip = thread_memory(memory, sizes, worker);
      read_window(map, window, inputs, strip);
      convolve_tiles(strip, static_cast<std::size_t>(window.columns), inputs, points, target, strip + sizes.strip,
                     strip + sizes.strip + sizes.windows);
    });
  }

  void run_cells(const PaddedMap& map, View<float> y, float* memory, bool accumulate) const {
    const std::int64_t stride = geometry.stride;
    const Scratch sizes(inputs, outputs, static_cast<std::size_t>(kernel), static_cast<std::size_t>(stride), false);
    constexpr std::int64_t kCells = kBlock;
    const std::int64_t across = ceil_divide(y.size(1), kCells);
    parallel_for(y.size(0) * across, [&](std::int64_t task, int worker) {
      const std::int64_t row = task / across, column = task % across * kCells;
      const OutputBlock target = block(y, row, column, 1, kCells, accumulate);
      const Window window{.top = row * stride - geometry.pad_top,
                          .left = column * stride - geometry.pad_left,
                          .rows = kernel,
                          .columns = (kCells - 1) * stride + kernel};
      float* strip = thread_memory(memory, sizes, worker);
      read_window(map, window, inputs, strip);
      convolve_cells(strip, static_cast<std::size_t>(window.columns), inputs, static_cast<std::size_t>(kernel),
                     static_cast<std::size_t>(stride), weight.view<float>().data(), target, strip + sizes.strip);
    });
  }

  static float* thread_memory(float* memory, const Scratch& sizes, int worker) {
    return memory + sizes.weights + static_cast<std::size_t>(worker) * sizes.per_thread();
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
  Tensor converted;
  if (weight.dtype() != DType::f32) converted = weight.convert_to_float(MemoryKind::other);
  impl->lay_out((converted.empty() ? weight : std::as_const(converted)).view<float>());
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
