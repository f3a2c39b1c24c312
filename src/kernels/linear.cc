#include "kernels/linear.h"

#include <map>
#include <mutex>
#include <string_view>
#include <tuple>

#include "core/error.h"
#include "core/threads.h"
#include "kernels/elementwise.h"
#include "kernels/onednn.h"
#include "kernels/row_matmul.h"

namespace scalekv::kernels {
namespace {

using dnnl::memory;
constexpr auto kFloat = memory::data_type::f32;
using Product = Scratchless<dnnl::matmul>;

// What a primitive is specialised to: rows, row strides of x and y, options, threads.
using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, Activation, bool, int>;

// y = activation(x W^T + bias), or y += that, for layers whose weight is in our own panels.
void run_panels(View<const float> x, const Tensor& panels, const float* bias, View<float> y,
                const LinearOptions& options) {
  if (options.activation == Activation::none) {
    row_matmul(x, panels, bias, y, options.accumulate);
    return;
  }
  Tensor apart;
  if (options.accumulate) apart = Tensor(DType::f32, y.shape(), MemoryKind::activations);
  const View<float> target = options.accumulate ? apart.view<float>() : y;
  row_matmul(x, panels, bias, target, false);
  if (options.activation == Activation::gelu_tanh) gelu_tanh(target);
  if (options.activation == Activation::silu) silu(target, target);
  if (options.accumulate) add_gated(y, target, {});
}

}  // namespace

// oneDNN's "brgemm" matrix product (AVX-512) adds up a row in the same order whatever the number of rows and threads;
// LinearTest.RowsAndThreadsChangeNothing holds it to that. Its other implementations do not: there the weight lies in
// panels for our own product. Either way there is one copy of the weight.
struct Linear::Impl {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  bool panels = false;
  Tensor storage;       // the weight, in panels or in oneDNN's layout
  Tensor bias_storage;  // [N]
  memory::desc layout;
  mutable std::mutex mutex;
  mutable std::map<Key, Product> primitives;

  memory::desc bias_layout() const { return {{1, outputs}, kFloat, memory::format_tag::ab}; }

  dnnl::matmul::primitive_desc describe(std::int64_t rows, std::int64_t x_stride, std::int64_t y_stride,
                                        const memory::desc& weight_layout, const LinearOptions& options) const {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::post_ops post;
    if (options.activation == Activation::gelu_tanh) {
      post.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_tanh, 0.0F, 0.0F);
    }
    if (options.activation == Activation::silu) post.append_eltwise(1.0F, dnnl::algorithm::eltwise_swish, 1.0F, 0.0F);
    if (options.accumulate) post.append_sum(1.0F);
    attributes.set_post_ops(post);
    const memory::desc x({rows, inputs}, kFloat, memory::dims{x_stride, 1});
    const memory::desc y({rows, outputs}, kFloat, memory::dims{y_stride, 1});
    const dnnl::matmul::desc product = bias_storage.empty() ? dnnl::matmul::desc(x, weight_layout, y)
                                                            : dnnl::matmul::desc(x, weight_layout, bias_layout(), y);
    return {product, attributes, cpu_engine()};
  }

  const Product& primitive(std::int64_t rows, std::int64_t x_stride, std::int64_t y_stride,
                           const LinearOptions& options) const {
    const Key key{rows, x_stride, y_stride, options.activation, options.accumulate, threads()};
    const std::lock_guard lock(mutex);
    auto found = primitives.find(key);
    if (found == primitives.end()) {
      found = primitives.emplace(key, Product(describe(rows, x_stride, y_stride, layout, options))).first;
    }
    return found->second;
  }
};

Linear::Linear(const Tensor& weight, const Tensor& bias, MemoryKind kind) {
  if (weight.shape().rank() != 2) {
    fail("a linear layer's weight has shape {}, expected [outputs, inputs]", weight.shape().to_string());
  }
  auto impl = std::make_shared<Impl>();
  impl->outputs = weight.shape()[0];
  impl->inputs = weight.shape()[1];
  if (!bias.empty()) {
    if (bias.elements() != impl->outputs) fail("a bias of {} elements for {} outputs", bias.elements(), impl->outputs);
    impl->bias_storage = bias.convert_to_float(kind);
  }
  // The layout that oneDNN prefers for a typical map; it serves any number of rows.
  constexpr std::int64_t kTypicalRows = 256;
  const memory::desc any({impl->inputs, impl->outputs}, kFloat, memory::format_tag::any);
  const auto description = impl->describe(kTypicalRows, impl->inputs, impl->outputs, any, {});
  impl->panels = !std::string_view(description.impl_info_str()).starts_with("brg");
  const Tensor plain = weight.convert_to_float(MemoryKind::other);
  if (impl->panels) {
    impl->storage = pack_panels(plain, kind);
  } else {
    impl->layout = description.weights_desc();
    const memory::desc transposed({impl->inputs, impl->outputs}, kFloat, memory::format_tag::ba);
    impl->storage = reorder_weight(plain, transposed, impl->layout, kind);
  }
  impl_ = std::move(impl);
}

std::int64_t Linear::inputs() const { return impl_->inputs; }
std::int64_t Linear::outputs() const { return impl_->outputs; }
std::int64_t Linear::weight_bytes() const { return impl_->storage.bytes() + impl_->bias_storage.bytes(); }

void Linear::run(View<const float> x, View<float> y, const LinearOptions& options) const {
  const Impl& impl = *impl_;
  if (x.rank() != 2 || y.rank() != 2 || x.size(1) != impl.inputs || y.size(1) != impl.outputs ||
      x.size(0) != y.size(0)) {
    fail("a linear layer of {} inputs and {} outputs was given {} and {}", impl.inputs, impl.outputs,
         x.shape().to_string(), y.shape().to_string());
  }
  if (x.size(0) == 0) return;
  if (impl.panels) {
    const float* bias = impl.bias_storage.empty() ? nullptr : impl.bias_storage.view<float>().data();
    run_panels(x, impl.storage, bias, y, options);
    return;
  }
  // With one row the stride does not matter, and oneDNN wants it no smaller than the row.
  const std::int64_t rows = x.size(0);
  const std::int64_t x_stride = rows == 1 ? impl.inputs : x.stride(0);
  const std::int64_t y_stride = rows == 1 ? impl.outputs : y.stride(0);
  const Product& product = impl.primitive(rows, x_stride, y_stride, options);
  const memory::desc x_layout({rows, impl.inputs}, kFloat, memory::dims{x_stride, 1});
  const memory::desc y_layout({rows, impl.outputs}, kFloat, memory::dims{y_stride, 1});
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, onednn_memory(x_layout, x.data())},
                                               {DNNL_ARG_WEIGHTS, onednn_memory(impl.layout, impl.storage.raw())},
                                               {DNNL_ARG_DST, onednn_memory(y_layout, y.data())}};
  if (!impl.bias_storage.empty()) {
    arguments.emplace(DNNL_ARG_BIAS, onednn_memory(impl.bias_layout(), impl.bias_storage.raw()));
  }
  product.execute(std::move(arguments));
}

}  // namespace scalekv::kernels
