// The inner steps of a convolution: inputs to Winograd's points, products, and
// back, a block of tiles at a time; for kernels without tiles, a run of cells.
#pragma once

#include <cstddef>
#include <cstdint>

namespace scalekv::kernels {

constexpr std::size_t kLine = 16;  // floats; channels are rounded up to this
constexpr std::size_t kSlab = 32;  // outputs that are computed together: two panels
constexpr std::size_t kTile = 4, kWindow = 6, kPoints = kWindow * kWindow;
// Tiles of a task: kBlockRows x kBlockColumns, whose inputs are normalised
// once; cells of a task without tiles.
constexpr std::size_t kBlockRows = 4, kBlockColumns = 12, kBlock = kBlockRows * kBlockColumns;

// Distances between planes of equal meaning; the extra line keeps them out of
// each other's cache sets.
constexpr std::size_t weight_plane(std::size_t inputs) { return kSlab * inputs + kLine; }
constexpr std::size_t window_plane(std::size_t inputs) { return kBlock * inputs + kLine; }
constexpr std::size_t product_plane() { return kBlock * kSlab + kLine; }

// A map that is read with normalisation and doubling, padded by zeros on all
// sides. Sizes as if doubled.
struct PaddedMap {
  const float* data;
  std::int64_t height, width, channels;
  bool doubled;
  const float *center, *factor, *offset;  // null: as it is
};

// A rectangle of a map: rows and columns from `top`, `left` (which may lie
// outside).
struct Window {
  std::int64_t top, left, rows, columns;
};

// Where the outputs of a task go: `rows` x `columns` cells of y at (row,
// column).
struct OutputBlock {
  float* data;
  std::int64_t row_stride, cell_stride, rows, columns;
  std::size_t outputs;
  const float* bias;  // may be null
  bool accumulate;
};

// strip: [rows][columns][inputs], zero outside the map and in channels that are
// not there.
void read_window(const PaddedMap& map, const Window& window, std::size_t inputs, float* strip);

// weight: [9][32 inputs] of a slab -> points: [36][weight_plane], elements
// begin..end-1 of each plane.
void transform_weights(const float* weight, std::size_t inputs, std::size_t begin, std::size_t end, float* points);

// A block of tiles. strip: the inputs, [4 * tile rows + 2][columns][inputs];
// weights: [slabs][36][weight_plane].
void convolve_tiles(const float* strip, std::size_t columns, std::size_t inputs, const float* weights,
                    const OutputBlock& block, float* windows, float* products);

// A run of cells of one row, any kernel. strip: [kernel][columns][inputs];
// weights: [slabs][kernel^2][32 inputs].
void convolve_cells(const float* strip, std::size_t columns, std::size_t inputs, std::size_t kernel, std::size_t stride,
                    const float* weights, const OutputBlock& block, float* sums);

}  // namespace scalekv::kernels
