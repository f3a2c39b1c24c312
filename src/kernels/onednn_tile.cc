#include "kernels/onednn_tile.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "runtime/runtime.h"

namespace scalekv::kernels {
namespace {

using dnnl::memory;
constexpr auto kFloat = memory::data_type::f32;
constexpr std::int64_t kTypicalRows = 256;  // the layout that oneDNN prefers for so many serves any number

// From -1 to 1, with all bits in use: sums of them tell in which order they were added.
Tensor arbitrary(const Shape& shape) {
  Tensor tensor(DType::f32, shape, MemoryKind::other);
  float* values = tensor.view<float>().data();
  std::uint64_t state = 1;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;  // Knuth's generator MMIX
    values[i] = static_cast<float>(static_cast<std::int32_t>(state >> 32)) * 0x1p-31F;
  }
  return tensor;
}

}  // namespace

OnednnTile::OnednnTile(std::int64_t inputs, std::int64_t outputs) : inputs_(inputs), outputs_(outputs) {
  const memory::desc any({inputs, outputs}, kFloat, memory::format_tag::any);
  const dnnl::matmul::primitive_desc typical = describe({kTypicalRows, Activation::none, false}, any);
  name_ = typical.impl_info_str();
  layout_ = typical.weights_desc();
  Trial found = try_rows();
  if (found == Trial::lone_row_differs) {
    lone_as_two_ = true;
    found = try_rows();
  }
  serves_ = found == Trial::rows_keep_their_bits;
}

memory::desc OnednnTile::rows_of(std::int64_t rows, std::int64_t width) const {
  return {{rows, width}, kFloat, memory::format_tag::ab};
}

dnnl::matmul::primitive_desc OnednnTile::describe(const Special& special, const memory::desc& weight) const {
  const OneThread alone;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops post;
  if (special.activation == Activation::gelu_tanh) append_gelu_tanh(post);
  attributes.set_post_ops(post);
  return describe_matmul(rows_of(special.rows, inputs_), weight, rows_of(special.rows, outputs_),
                         special.biased ? rows_of(1, outputs_) : memory::desc(), attributes);
}

const OnednnTile::Matmul& OnednnTile::primitive(const Special& special) const {
  const std::lock_guard lock(mutex_);
  auto found = primitives_.find(special);
  if (found == primitives_.end()) found = primitives_.emplace(special, Matmul(describe(special, layout_))).first;
  return found->second;
}

void OnednnTile::lay_out(const float* weight, void* target) const {
  reorder_weight(weight, {{inputs_, outputs_}, kFloat, memory::format_tag::ba}, layout_, target);
}

void OnednnTile::multiply_rows(View<const float> x, const void* weight, const float* bias, Activation activation,
                               View<float> y) const {
  const std::int64_t rows = x.size(0);
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, onednn_memory(rows_of(rows, inputs_), x.data())},
                                               {DNNL_ARG_WEIGHTS, onednn_memory(layout_, weight)},
                                               {DNNL_ARG_DST, onednn_memory(rows_of(rows, outputs_), y.data())}};
  if (bias != nullptr) arguments.emplace(DNNL_ARG_BIAS, onednn_memory(rows_of(1, outputs_), bias));
  primitive({rows, activation, bias != nullptr}).execute(std::move(arguments));
}

void OnednnTile::multiply(View<const float> x, const void* weight, const float* bias, Activation activation,
                          View<float> y) const {
  if (x.size(0) != 1 || !lone_as_two_) return multiply_rows(x, weight, bias, activation, y);
  Tensor twice_x(DType::f32, {2, inputs_}, MemoryKind::other), twice_y(DType::f32, {2, outputs_}, MemoryKind::other);
  for (std::int64_t row = 0; row < 2; ++row) std::copy_n(x.data(), inputs_, twice_x.view<float>().at(row, 0));
  multiply_rows(twice_x.view<float>(), weight, bias, activation, twice_y.view<float>());
  std::copy_n(twice_y.view<float>().data(), outputs_, y.data());
}

// oneDNN answers each question anew: for some it has nothing but its reference code.
bool OnednnTile::is_reference(const Special& special) const {
  return std::string_view(describe(special, layout_).impl_info_str()).starts_with("ref");
}

// The last rows of a tile, as few as there may be, against the same among many. To make primitives is what takes the
// time here, so that what follows the sums is tried with a lone row and with many only.
OnednnTile::Trial OnednnTile::try_rows() const {
  Runtime apart(1);  // what is tried here is nobody's memory
  const Runtime::Scope scope(apart);
  const Tensor weight = arbitrary({outputs_, inputs_}), x = arbitrary({kTypicalRows, inputs_});
  const Tensor bias = arbitrary({outputs_});
  Tensor laid_out(DType::u8, {weight_bytes()}, MemoryKind::other);
  Tensor many(DType::f32, {kTypicalRows, outputs_}, MemoryKind::other), few = many.clone(MemoryKind::other);
  lay_out(weight.view<float>().data(), laid_out.mutable_raw());
  for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
    for (const float* added : {static_cast<const float*>(nullptr), bias.view<float>().data()}) {
      const auto compute = [&](std::int64_t rows, Tensor& y) {
        if (is_reference({rows, activation, added != nullptr})) return false;
        multiply(x.view<float>().slice(0, kTypicalRows - rows, kTypicalRows), laid_out.raw(), added, activation,
                 y.view<float>().slice(0, 0, rows));
        return true;
      };
      if (!compute(kTypicalRows, many)) return Trial::useless;
      for (const std::int64_t rows : {2, 17, 1}) {
        if (rows > 1 && (activation != Activation::none || added != nullptr)) continue;
        const auto bytes = static_cast<std::size_t>(rows * outputs_) * sizeof(float);
        if (!compute(rows, few)) return Trial::useless;
        if (std::memcmp(few.raw(), many.view<float>().at(kTypicalRows - rows, 0), bytes) != 0) {
          return rows == 1 ? Trial::lone_row_differs : Trial::useless;
        }
      }
    }
  }
  return Trial::rows_keep_their_bits;
}

const OnednnTile& onednn_tile(std::int64_t inputs, std::int64_t outputs) {
  static std::mutex mutex;
  static std::map<std::pair<std::int64_t, std::int64_t>, OnednnTile> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find({inputs, outputs});
  if (found != known.end()) return found->second;
  return known.try_emplace({inputs, outputs}, inputs, outputs).first->second;
}

}  // namespace scalekv::kernels
