// Linear layers of float32 weights through oneDNN's "brgemm" matrix product (AVX-512), which adds up a row in the same
// order whatever the number of rows (LinearTest.RowsAndThreadsChangeNothing holds it to that). oneDNN computes tiles of
// a product with one thread each; which thread takes which tile is our pool's to say.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ceil_divide.h"
#include "kernels/linear_impl.h"
#include "kernels/onednn.h"
#include "kernels/task_rows.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

using dnnl::memory;
constexpr auto kFloat = memory::data_type::f32;
constexpr std::int64_t kTypicalRows = 256;  // the layout that oneDNN prefers for a typical map serves any number
constexpr std::int64_t kTileOutputs = 256;  // outputs of a tile
constexpr std::int64_t kMostRows = 256, kLeastRows = 32;  // of a tile
using Matmul = Scratchless<dnnl::matmul>;

// What the primitive of a tile is specialised to.
struct Special {
  std::int64_t rows, outputs;
  Activation activation;
  bool biased;
  auto operator<=>(const Special&) const = default;  // NOLINT(modernize-use-nullptr): the 0 is the compiler's own
};

memory::desc row_of(std::int64_t outputs) { return {{1, outputs}, kFloat, memory::format_tag::ab}; }

dnnl::matmul::primitive_desc describe(const Special& special, std::int64_t inputs, const memory::desc& weight_layout) {
  const OneThread alone;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops post;
  if (special.activation == Activation::gelu_tanh) {
    post.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_tanh, 0.0F, 0.0F);
  }
  attributes.set_post_ops(post);
  const memory::desc x({special.rows, inputs}, kFloat, memory::format_tag::ab);
  const memory::desc y({special.rows, special.outputs}, kFloat, memory::format_tag::ab);
  const dnnl::matmul::desc product = special.biased ? dnnl::matmul::desc(x, weight_layout, row_of(special.outputs), y)
                                                    : dnnl::matmul::desc(x, weight_layout, y);
  return {product, attributes, cpu_engine()};
}

// A tile of a typical map, free to choose the weight's layout.
dnnl::matmul::primitive_desc describe_typical(std::int64_t inputs, std::int64_t outputs) {
  const memory::desc any({inputs, outputs}, kFloat, memory::format_tag::any);
  return describe({kTypicalRows, outputs, Activation::none, false}, inputs, any);
}

// The widths of a layer's tiles: kTileOutputs, and what is left.
std::vector<std::int64_t> slab_widths(std::int64_t outputs) {
  std::vector<std::int64_t> widths(static_cast<std::size_t>(outputs / kTileOutputs), kTileOutputs);
  if (outputs % kTileOutputs != 0) widths.push_back(outputs % kTileOutputs);
  return widths;
}

// "brg:avx512_core" where that is what serves tiles of every number of rows and every epilogue; empty where one of them
// would go to anything else. oneDNN answers each question anew: for some it has nothing but its reference code, which
// is a thousand times slower and adds up in another order.
std::string ask_implementation(std::int64_t inputs, std::int64_t outputs) {
  const dnnl::matmul::primitive_desc typical = describe_typical(inputs, outputs);
  const std::string name = typical.impl_info_str();
  if (!name.starts_with("brg")) return "";
  for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{2}, std::int64_t{17}, kTypicalRows}) {
    for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
      for (const bool biased : {false, true}) {
        if (describe({rows, outputs, activation, biased}, inputs, typical.weights_desc()).impl_info_str() != name) {
          return "";
        }
      }
    }
  }
  return name;
}

class OnednnLinear {
 public:
  OnednnLinear(const Tensor& weight, MemoryKind kind) : outputs_(weight.shape()[0]), inputs_(weight.shape()[1]) {
    std::int64_t bytes = 0, first = 0;
    for (const std::int64_t width : slab_widths(outputs_)) {
      slabs_.push_back({first, width, bytes, describe_typical(inputs_, width).weights_desc()});
      bytes += static_cast<std::int64_t>(slabs_.back().layout.get_size());
      first += width;
    }
    storage_ = Tensor(DType::u8, {bytes}, kind);
    parallel_for(std::ssize(slabs_), [&](std::int64_t i) {
      const Slab& slab = slabs_[static_cast<std::size_t>(i)];
      const memory::desc plain({inputs_, slab.width}, kFloat, memory::format_tag::ba);
      reorder_weight(weight.view<float>().at(slab.first, 0), plain, slab.layout, weights_of(slab));
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
      multiply(tile_x, slab, epilogue, tile_y);
      write_tile(tile_y, row, slab.first, epilogue, y);
    });
  }

 private:
  // Outputs first .. first + width - 1, whose weights begin at `offset` in the storage.
  struct Slab {
    std::int64_t first, width, offset;
    memory::desc layout;
  };

  void* weights_of(const Slab& slab) { return static_cast<std::byte*>(storage_.mutable_raw()) + slab.offset; }

  // y = activation(x W^T + bias), of one tile.
  void multiply(View<const float> x, const Slab& slab, const Epilogue& epilogue, View<float> y) const {
    const std::int64_t rows = x.size(0);
    const void* weights = static_cast<const std::byte*>(storage_.raw()) + slab.offset;
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, onednn_memory({{rows, inputs_}, kFloat, memory::format_tag::ab}, x.data())},
        {DNNL_ARG_WEIGHTS, onednn_memory(slab.layout, weights)},
        {DNNL_ARG_DST, onednn_memory({{rows, slab.width}, kFloat, memory::format_tag::ab}, y.data())}};
    if (epilogue.bias != nullptr) {
      arguments.emplace(DNNL_ARG_BIAS, onednn_memory(row_of(slab.width), epilogue.bias + slab.first));
    }
    primitive({rows, slab.width, epilogue.activation, epilogue.bias != nullptr}, slab).execute(std::move(arguments));
  }

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

  const Matmul& primitive(const Special& special, const Slab& slab) const {
    const std::lock_guard lock(mutex_);
    auto found = primitives_.find(special);
    if (found == primitives_.end()) {
      found = primitives_.emplace(special, Matmul(describe(special, inputs_, slab.layout))).first;
    }
    return found->second;
  }

  std::int64_t outputs_, inputs_;
  std::vector<Slab> slabs_;
  Tensor storage_;
  mutable std::mutex mutex_;
  mutable std::map<Special, Matmul> primitives_;
};

}  // namespace

std::string onednn_implementation(std::int64_t inputs, std::int64_t outputs) {
  static std::mutex mutex;
  static std::map<std::pair<std::int64_t, std::int64_t>, std::string> known;  // the questions take milliseconds
  const std::lock_guard lock(mutex);
  std::string name;
  for (const std::int64_t width : {std::min(outputs, kTileOutputs), outputs % kTileOutputs}) {
    if (width == 0) continue;
    const auto [found, is_new] = known.try_emplace({inputs, width});
    if (is_new) found->second = ask_implementation(inputs, width);
    if (found->second.empty()) return "";
    name = found->second;
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
    bytes += static_cast<std::int64_t>(describe_typical(inputs, width).weights_desc().get_size());
  }
  return bytes;
}

}  // namespace scalekv::kernels
