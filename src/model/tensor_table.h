// The tensors of a network. One line of a table is all that is said of a tensor: loading, checking, converting, random
// weights, bytes of memory and operations follow from it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/infinity_config.h"
#include "model/t5_config.h"
#include "model/vae_config.h"
#include "runtime/shape.h"
#include "runtime/weight_type.h"

namespace scalekv::model {

// What a tensor is used as.
enum class Role : std::uint8_t {
  values,       // as float32, where it lies if the file holds it so: norms, small parameters
  own_values,   // the same, always a copy
  bias,         // of a linear layer or a convolution, which counts it
  table,        // rows that are looked up, as float32; model files may round them
  embedding,    // the same, in the file's own type
  matrix,       // [outputs, inputs] of a linear layer: float32, or in blocks the model's weight type
  convolution,  // [outputs, inputs, kernel, kernel], as float32
  unread,       // checkpoints may hold it, and model files keep it
};

struct TensorSpec {
  std::string name = {};  // as published; of a block's tensor, what follows the block's prefix
  Shape shape = {};
  Role role = Role::values;
  // Random elements that keep a model's numbers in a sane range are spread over mean +- sqrt(3) deviation.
  float deviation = 0.0F;
  float mean = 0.0F;
  // Of a matrix: its bias's name. A bias shorter than the outputs is that of the last ones; the others have none.
  std::string bias = {};
  // Of a matrix: its inputs have outliers, so that rounding to int8 rotates them first (kernels::Int8Weight).
  bool outliers = false;
  // Of a matrix or convolution: rows (tokens) or cells that it gives for every one that passes through the network; 0
  // where it works on something else.
  std::int64_t uses = 1;
};

// A tensor by its whole name.
struct TableEntry {
  std::string name;
  const TensorSpec& spec;
  bool in_block = false;
};

struct NetworkTable {
  std::vector<TensorSpec> tensors = {};    // those that are there once
  std::vector<TensorSpec> block = {};      // those of every block
  std::vector<std::string> prefixes = {};  // of the blocks, first to last
  // What every name of the network starts with; a checkpoint's other names are somebody else's. Empty: anything.
  std::vector<std::string> starts = {};
  // Starts of names that checkpoints hold of their training or of a half that is not used.
  std::vector<std::string> leftovers = {};
  // How far the matrices of its blocks may be rounded. In files of int8 weights the other matrices, kernels and tables
  // of a network that may go as far stay float32; those of the other networks are bf16.
  WeightType narrowest = WeightType::bf16;

  // Calls with one tensor after the other; `visit` may throw to stop. (No list: files can name very many blocks.)
  void visit(const std::function<void(const TableEntry&)>& visit) const;
};

NetworkTable infinity_table(const InfinityConfig& config);
std::vector<TensorSpec> infinity_block(const InfinityConfig& config);
// The decoder and, where there is one, the encoder.
NetworkTable vae_table(const VaeConfig& config);
NetworkTable t5_table(const T5Config& config);

// A step of a VAE's half.
struct CoderLayer {
  enum class Kind : std::uint8_t {
    convolution,  // 3x3
    block,        // two convolutions after norms, and what goes past them
    upsample,     // 3x3, after rows and columns are doubled
    downsample,   // 3x3, of every other row and column
    finish,       // norm and 3x3 convolution
  };
  Kind kind = Kind::convolution;
  std::string name = {};
  std::int64_t inputs = 0, outputs = 0;  // channels
  std::int64_t cells = 1;                // it gives so many for a latent cell
  const char* stage = "";                // what taps call the map behind it; empty: nothing
};

// The halves, in the order in which a map passes through them.
std::vector<CoderLayer> decoder_layers(const VaeConfig& config);
std::vector<CoderLayer> encoder_layers(const VaeConfig& config);

}  // namespace scalekv::model
