// Linear layers of float32 weights through oneDNN's "brgemm" matrix product (AVX-512), which adds up a row in the same
// order whatever the number of rows and threads (LinearTest.RowsAndThreadsChangeNothing holds it to that).
#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "kernels/linear_impl.h"
#include "kernels/onednn.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

using dnnl::memory;
constexpr auto kFloat = memory::data_type::f32;
constexpr std::int64_t kTypicalRows = 256;  // the layout that oneDNN prefers for a typical map serves any number
using Matmul = Scratchless<dnnl::matmul>;

// What a primitive is specialised to.
struct Special {
  std::int64_t rows;
  Activation activation;
  bool accumulate, biased, gated;
  int threads;
  auto operator<=>(const Special&) const = default;  // NOLINT(modernize-use-nullptr): the 0 is the compiler's own
};

memory::desc row_of(std::int64_t outputs) { return {{1, outputs}, kFloat, memory::format_tag::ab}; }

dnnl::matmul::primitive_desc describe(const Special& special, std::int64_t inputs, std::int64_t outputs,
                                      const memory::desc& weight_layout) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops post;
  if (special.activation == Activation::gelu_tanh) {
    post.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_tanh, 0.0F, 0.0F);
  }
  if (special.gated) post.append_binary(dnnl::algorithm::binary_mul, row_of(outputs));
  if (special.accumulate) post.append_sum(1.0F);
  attributes.set_post_ops(post);
  const memory::desc x({special.rows, inputs}, kFloat, memory::format_tag::ab);
  const memory::desc y({special.rows, outputs}, kFloat, memory::format_tag::ab);
  const dnnl::matmul::desc product = special.biased ? dnnl::matmul::desc(x, weight_layout, row_of(outputs), y)
                                                    : dnnl::matmul::desc(x, weight_layout, y);
  return {product, attributes, cpu_engine()};
}

// A product for a typical map, free to choose the weight's layout.
dnnl::matmul::primitive_desc describe_typical(std::int64_t inputs, std::int64_t outputs) {
  const memory::desc any({inputs, outputs}, kFloat, memory::format_tag::any);
  return describe({kTypicalRows, Activation::none, false, false, false, threads()}, inputs, outputs, any);
}

// "brg:avx512_core" where that is what serves every number of rows and every epilogue; empty where one of them would go
// to anything else. oneDNN answers each question anew: for some it has nothing but its reference code, which is a
// thousand times slower and adds up in another order.
std::string ask_implementation(std::int64_t inputs, std::int64_t outputs) {
  const dnnl::matmul::primitive_desc typical = describe_typical(inputs, outputs);
  const std::string name = typical.impl_info_str();
  if (!name.starts_with("brg")) return "";
  for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{2}, std::int64_t{17}, kTypicalRows}) {
    for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
      for (int bits = 0; bits < 8; ++bits) {
        const Special special{.rows = rows,
                              .activation = activation,
                              .accumulate = (bits & 1) != 0,
                              .biased = (bits & 2) != 0,
                              .gated = (bits & 4) != 0,
                              .threads = threads()};
        if (describe(special, inputs, outputs, typical.weights_desc()).impl_info_str() != name) return "";
      }
    }
  }
  return name;
}

class OnednnLinear final : public LinearImpl {
 public:
  OnednnLinear(const Tensor& weight, MemoryKind kind)
      : outputs_(weight.shape()[0]),
        inputs_(weight.shape()[1]),
        layout_(describe_typical(inputs_, outputs_).weights_desc()),
        storage_(
            reorder_weight(weight, memory::desc({inputs_, outputs_}, kFloat, memory::format_tag::ba), layout_, kind)) {}

  std::int64_t weight_bytes() const override { return storage_.bytes(); }

  void run(View<const float> x, View<float> y, const Epilogue& epilogue) const override {
    const std::int64_t runs = epilogue.gate.empty() ? 1 : epilogue.gate.size(0);
    const std::int64_t rows = x.size(0) / runs;
    for (std::int64_t i = 0; i < runs; ++i) {
      run_gated(x.slice(0, i * rows, (i + 1) * rows), y.slice(0, i * rows, (i + 1) * rows), epilogue,
                epilogue.gate.empty() ? nullptr : epilogue.gate.at(i, 0));
    }
  }

 private:
  void run_gated(View<const float> x, View<float> y, const Epilogue& epilogue, const float* gate) const {
    const std::int64_t rows = x.size(0);
    const Special special{.rows = rows,
                          .activation = epilogue.activation,
                          .accumulate = epilogue.accumulate,
                          .biased = epilogue.bias != nullptr,
                          .gated = gate != nullptr,
                          .threads = threads()};
    const memory::desc x_layout({rows, inputs_}, kFloat, memory::format_tag::ab);
    const memory::desc y_layout({rows, outputs_}, kFloat, memory::format_tag::ab);
    std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, onednn_memory(x_layout, x.data())},
                                                 {DNNL_ARG_WEIGHTS, onednn_memory(layout_, storage_.raw())},
                                                 {DNNL_ARG_DST, onednn_memory(y_layout, y.data())}};
    if (special.biased) arguments.emplace(DNNL_ARG_BIAS, onednn_memory(row_of(outputs_), epilogue.bias));
    if (special.gated) {
      const int operation = epilogue.activation == Activation::none ? 0 : 1;  // its place among the post-operations
      arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(operation) | DNNL_ARG_SRC_1,
                        onednn_memory(row_of(outputs_), gate));
    }
    primitive(special).execute(std::move(arguments));
  }

  const Matmul& primitive(const Special& special) const {
    const std::lock_guard lock(mutex_);
    auto found = primitives_.find(special);
    if (found == primitives_.end()) {
      found = primitives_.emplace(special, Matmul(describe(special, inputs_, outputs_, layout_))).first;
    }
    return found->second;
  }

  std::int64_t outputs_, inputs_;
  memory::desc layout_;
  Tensor storage_;
  mutable std::mutex mutex_;
  mutable std::map<Special, Matmul> primitives_;
};

}  // namespace

std::string onednn_implementation(std::int64_t inputs, std::int64_t outputs) {
  static std::mutex mutex;
  static std::map<std::pair<std::int64_t, std::int64_t>, std::string> known;  // the questions take milliseconds
  const std::lock_guard lock(mutex);
  const auto [found, is_new] = known.try_emplace({inputs, outputs});
  if (is_new) found->second = ask_implementation(inputs, outputs);
  return found->second;
}

std::unique_ptr<LinearImpl> make_onednn_linear(const Tensor& weight, MemoryKind kind) {
  return std::make_unique<OnednnLinear>(weight, kind);
}

std::int64_t onednn_linear_bytes(std::int64_t inputs, std::int64_t outputs) {
  return static_cast<std::int64_t>(describe_typical(inputs, outputs).weights_desc().get_size());
}

}  // namespace scalekv::kernels
