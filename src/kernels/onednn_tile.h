// Float32 products of one shape through oneDNN, of one thread each. oneDNN says what it would run, not in which order
// that adds up; so a shape's products are tried before they serve.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "kernels/epilogue.h"
#include "kernels/onednn.h"

namespace scalekv::kernels {

// Of tiles with so many inputs and outputs. Lives as long as the process; all layers and threads share it.
class OnednnTile {
 public:
  OnednnTile(std::int64_t inputs, std::int64_t outputs);

  // What oneDNN calls its product: "brg:avx512_core".
  const std::string& name() const { return name_; }
  // Whether a row has the same bits alone and among others, whatever the epilogue, and none is the work of oneDNN's
  // reference code, which is a thousand times slower.
  bool serves() const { return serves_; }

  std::int64_t weight_bytes() const { return static_cast<std::int64_t>(layout_.get_size()); }
  // weight: [outputs, inputs]; target: weight_bytes().
  void lay_out(const float* weight, void* target) const;
  // y = activation(x W^T + bias) with a weight that was laid out; bias: [outputs] or nullptr.
  void multiply(View<const float> x, const void* weight, const float* bias, Activation activation, View<float> y) const;

 private:
  using Matmul = Scratchless<dnnl::matmul>;
  // What a primitive is specialised to.
  struct Special {
    std::int64_t rows;
    Activation activation;
    bool biased;
    auto operator<=>(const Special&) const = default;  // NOLINT(modernize-use-nullptr): the 0 is the compiler's own
  };

  enum class Trial : std::uint8_t { rows_keep_their_bits, lone_row_differs, useless };

  dnnl::memory::desc rows_of(std::int64_t rows, std::int64_t width) const;
  dnnl::matmul::primitive_desc describe(const Special& special, const dnnl::memory::desc& weight) const;
  const Matmul& primitive(const Special& special) const;
  void multiply_rows(View<const float> x, const void* weight, const float* bias, Activation activation,
                     View<float> y) const;
  bool is_reference(const Special& special) const;
  Trial try_rows() const;

  std::int64_t inputs_, outputs_;
  std::string name_;
  dnnl::memory::desc layout_;
  bool lone_as_two_ = false;  // a lone row is computed as two equal ones
  bool serves_ = false;
  mutable std::mutex mutex_;
  mutable std::map<Special, Matmul> primitives_;
};

// The one for tiles of this shape.
const OnednnTile& onednn_tile(std::int64_t inputs, std::int64_t outputs);

}  // namespace scalekv::kernels
