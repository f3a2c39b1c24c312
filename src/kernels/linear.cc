#include "kernels/linear.h"

#include <map>
#include <mutex>
#include <tuple>

#include "core/error.h"
#include "kernels/onednn.h"

namespace scalekv::kernels {
namespace {

using dnnl::memory;
constexpr auto kFloat = memory::data_type::f32;

// What a primitive is specialised to: rows, row strides of x and y, options.
using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, Activation, bool>;

Tensor as_float(const Tensor& tensor) { return tensor.convert_to_float(MemoryKind::other); }

}  // namespace

// oneDNN's blocked matrix product computes a row in the same order whatever the number of rows and threads; the tests
// hold it to that (LinearTest.RowsDoNotDependOnEachOther).
struct Linear::Impl {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  Tensor storage;       // the weight in oneDNN's layout
  Tensor bias_storage;  // [N]
  memory weight;
  memory bias;
  mutable std::mutex mutex;
  mutable std::map<Key, dnnl::matmul> primitives;

  dnnl::matmul::primitive_desc describe(std::int64_t rows, std::int64_t x_stride, std::int64_t y_stride,
                                        const memory::desc& weight_desc, const LinearOptions& options) const {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::library);
    dnnl::post_ops post;
    if (options.activation == Activation::gelu_tanh) post.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_tanh, 0.0F, 0.0F);
    if (options.activation == Activation::silu) post.append_eltwise(1.0F, dnnl::algorithm::eltwise_swish, 1.0F, 0.0F);
    if (options.accumulate) post.append_sum(1.0F);
    attributes.set_post_ops(post);
    const memory::desc x({rows, inputs}, kFloat, memory::dims{x_stride, 1});
    const memory::desc y({rows, outputs}, kFloat, memory::dims{y_stride, 1});
    const dnnl::matmul::desc product =
        bias_storage.empty() ? dnnl::matmul::desc(x, weight_desc, y)
                             : dnnl::matmul::desc(x, weight_desc, memory::desc({1, outputs}, kFloat, memory::format_tag::ab), y);
    return {product, attributes, cpu_engine()};
  }

  const dnnl::matmul& primitive(std::int64_t rows, std::int64_t x_stride, std::int64_t y_stride,
                                const LinearOptions& options) const {
    const std::lock_guard lock(mutex);
    const Key key{rows, x_stride, y_stride, options.activation, options.accumulate};
    auto found = primitives.find(key);
    if (found == primitives.end()) {
      const auto description = describe(rows, x_stride, y_stride, weight.get_desc(), options);
      found = primitives.emplace(key, dnnl::matmul(description)).first;
    }
    return found->second;
  }
};

Linear::Linear(const Tensor& weight, const Tensor& bias, MemoryKind kind) {
  if (weight.shape().rank() != 2) fail("a linear layer's weight has shape {}, expected [outputs, inputs]", weight.shape().to_string());
  auto impl = std::make_shared<Impl>();
  impl->outputs = weight.shape()[0];
  impl->inputs = weight.shape()[1];
  if (!bias.empty()) {
    if (bias.elements() != impl->outputs) fail("a bias of {} elements for {} outputs", bias.elements(), impl->outputs);
    impl->bias_storage = bias.convert_to_float(kind);
    impl->bias = memory({{1, impl->outputs}, kFloat, memory::format_tag::ab}, cpu_engine(), impl->bias_storage.mutable_raw());
  }
  // The layout that oneDNN prefers for a typical map; it serves any number of rows.
  constexpr std::int64_t kTypicalRows = 256;
  const memory::desc any({impl->inputs, impl->outputs}, kFloat, memory::format_tag::any);
  const memory::desc layout = impl->describe(kTypicalRows, impl->inputs, impl->outputs, any, {}).weights_desc();
  Tensor plain = as_float(weight);
  impl->storage = Tensor(DType::u8, {static_cast<std::int64_t>(layout.get_size())}, kind);
  impl->weight = memory(layout, cpu_engine(), impl->storage.mutable_raw());
  memory source({{impl->inputs, impl->outputs}, kFloat, memory::format_tag::ba}, cpu_engine(), plain.mutable_raw());
  dnnl::reorder(source, impl->weight).execute(cpu_stream(), source, impl->weight);
  cpu_stream().wait();
  impl_ = std::move(impl);
}

std::int64_t Linear::inputs() const { return impl_->inputs; }
std::int64_t Linear::outputs() const { return impl_->outputs; }
std::int64_t Linear::weight_bytes() const { return impl_->storage.bytes() + impl_->bias_storage.bytes(); }

void Linear::run(View<const float> x, View<float> y, const LinearOptions& options) const {
  const Impl& impl = *impl_;
  if (x.rank() != 2 || y.rank() != 2 || x.size(1) != impl.inputs || y.size(1) != impl.outputs || x.size(0) != y.size(0)) {
    fail("a linear layer of {} inputs and {} outputs was given {} and {}", impl.inputs, impl.outputs,
         x.shape().to_string(), y.shape().to_string());
  }
  if (x.size(0) == 0) return;
  // With one row the stride does not matter, and oneDNN wants it no smaller than the row.
  const std::int64_t rows = x.size(0);
  const std::int64_t x_stride = rows == 1 ? impl.inputs : x.stride(0);
  const std::int64_t y_stride = rows == 1 ? impl.outputs : y.stride(0);
  const dnnl::matmul& product = impl.primitive(rows, x_stride, y_stride, options);
  const memory source({{rows, impl.inputs}, kFloat, memory::dims{x_stride, 1}}, cpu_engine(), const_cast<float*>(x.data()));
  const memory target({{rows, impl.outputs}, kFloat, memory::dims{y_stride, 1}}, cpu_engine(), y.data());
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, impl.weight}, {DNNL_ARG_DST, target}};
  if (!impl.bias_storage.empty()) arguments.emplace(DNNL_ARG_BIAS, impl.bias);
  product.execute(cpu_stream(), arguments);
  cpu_stream().wait();
}

}  // namespace scalekv::kernels
