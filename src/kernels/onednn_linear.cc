// Linear layers of float32 weights through oneDNN, for shapes whose rows it adds up in the same order whatever the
// number of rows (onednn_tile.h; LinearTest.RowsAndThreadsChangeNothing holds it to that). oneDNN computes tiles of a
// product with one thread each; which thread takes which tile is our pool's to say.
#include <algorithm>
#include <memory>
#include <vector>

#include "base/ceil_divide.h"
#include "kernels/linear_impl.h"
#include "kernels/onednn_tile.h"
#include "kernels/task_rows.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

constexpr std::int64_t kTileOutputs = 256;                // outputs of a tile
constexpr std::int64_t kMostRows = 256, kLeastRows = 32;  // of a tile

// The widths of a layer's tiles: kTileOutputs, and what is left.
std::vector<std::int64_t> slab_widths(std::int64_t outputs) {
  std::vector<std::int64_t> widths(static_cast<std::size_t>(outputs / kTileOutputs), kTileOutputs);
  if (outputs % kTileOutputs != 0) widths.push_back(outputs % kTileOutputs);
  return widths;
}

class OnednnLinear {
 public:
  OnednnLinear(const Tensor& weight, MemoryKind kind) : outputs_(weight.shape()[0]), inputs_(weight.shape()[1]) {
    std::int64_t bytes = 0, first = 0;
    for (const std::int64_t width : slab_widths(outputs_)) {
      slabs_.push_back({first, width, bytes, &onednn_tile(inputs_, width)});
      bytes += slabs_.back().tile->weight_bytes();
      first += width;
    }
    storage_ = Tensor(DType::u8, {bytes}, kind);
    parallel_for(std::ssize(slabs_), [&](std::int64_t i) {
      const Slab& slab = slabs_[static_cast<std::size_t>(i)];
      slab.tile->lay_out(weight.view<float>().at(slab.first, 0),
                         static_cast<std::byte*>(storage_.mutable_raw()) + slab.offset);
    });
  }

  void run(View<const float> x, View<float> y, const Epilogue& epilogue) const {
    const std::int64_t rows = x.size(0), slabs = std::ssize(slabs_);
    const std::int64_t height = task_rows(rows, slabs, kMostRows, kLeastRows), blocks = ceil_divide(rows, height);
    Tensor scratch(DType::f32, {threads(), std::min(rows, height) * kTileOutputs}, MemoryKind::other);
    const View<float> sums = scratch.view<float>();
    parallel_for(blocks * slabs, [&](std::int64_t index, int worker) {
      const Slab& slab = slabs_[static_cast<std::size_t>(index / blocks)];
      const std::int64_t row = index % blocks * height;
      const View<const float> tile_x = x.slice(0, row, std::min(rows, row + height));
      const View<float> tile_y(sums.at(worker, 0), {tile_x.size(0), slab.width});
      slab.tile->multiply(tile_x, static_cast<const std::byte*>(storage_.raw()) + slab.offset,
                          epilogue.bias == nullptr ? nullptr : epilogue.bias + slab.first, epilogue.activation, tile_y);
      write_tile(tile_y, row, slab.first, epilogue, y);
    });
  }

 private:
  // Outputs first .. first + width - 1, whose weights begin at `offset` in the storage.
  struct Slab {
    std::int64_t first, width, offset;
    const OnednnTile* tile;
  };

  // Writes the tile to its place in y, gated and added as the epilogue says.
  static void write_tile(View<const float> tile, std::int64_t first_row, std::int64_t column, const Epilogue& epilogue,
                         View<float> y) {
    const std::int64_t width = tile.size(1);
    const std::int64_t run = epilogue.gate.empty() ? y.size(0) : y.size(0) / epilogue.gate.size(0);
    for (std::int64_t r = 0; r < tile.size(0); ++r) {
      const float* source = tile.at(r, 0);
      const float* gate = epilogue.gate.empty() ? nullptr : epilogue.gate.at((first_row + r) / run, column);
      float* target = y.at(first_row + r, column);
      for (std::int64_t n = 0; n < width; ++n) {
        const float value = gate == nullptr ? source[n] : source[n] * gate[n];
        target[n] = epilogue.accumulate ? target[n] + value : value;
      }
    }
  }

  std::int64_t outputs_, inputs_;
  std::vector<Slab> slabs_;
  Tensor storage_;
};

}  // namespace

std::string onednn_implementation(std::int64_t inputs, std::int64_t outputs) {
  std::string name;
  for (const std::int64_t width : {std::min(outputs, kTileOutputs), outputs % kTileOutputs}) {
    if (width == 0) continue;
    const OnednnTile& tile = onednn_tile(inputs, width);
    if (!tile.serves()) return "";
    name = tile.name();
  }
  return name;
}

LinearProduct make_onednn_product(const Tensor& weight, MemoryKind kind) {
  return [layer = std::make_shared<const OnednnLinear>(weight, kind)](
             View<const float> x, View<float> y, const Epilogue& epilogue) { layer->run(x, y, epilogue); };
}

std::int64_t onednn_weight_bytes(std::int64_t inputs, std::int64_t outputs) {
  std::int64_t bytes = 0;
  for (const std::int64_t width : slab_widths(outputs)) {
    bytes += onednn_tile(inputs, width).weight_bytes();
  }
  return bytes;
}

}  // namespace scalekv::kernels
