#include "kernels/conv.h"

#include <map>
#include <mutex>
#include <string_view>
#include <tuple>

#include "core/error.h"
#include "core/threads.h"
#include "kernels/onednn.h"

namespace scalekv::kernels {
namespace {

using dnnl::memory;
constexpr auto kFloat = memory::data_type::f32;

// Runs on one thread for as long as it lives, if `alone`.
class ThreadLimit {
 public:
  explicit ThreadLimit(bool alone) : before_(threads()) {
    if (alone) set_threads(1);
  }
  ~ThreadLimit() { set_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

// oneDNN's direct convolutions add up a pixel in the same order whatever the thread count; the one it falls back to for
// odd numbers of channels, a matrix product, does not, and therefore runs on one thread.
struct Convolution {
  bool alone = false;
  Scratchless<dnnl::convolution_forward> primitive;

  void execute(std::unordered_map<int, memory> arguments) const {
    const ThreadLimit limit(alone);
    primitive.execute(std::move(arguments));
  }
};

// What a primitive is specialised to: height, width, accumulate, threads.
using Key = std::tuple<std::int64_t, std::int64_t, bool, int>;

}  // namespace

struct Conv2d::Impl {
  std::int64_t in = 0, out = 0, kernel_height = 0, kernel_width = 0;
  ConvGeometry geometry;
  Tensor storage;  // the weight in oneDNN's layout
  Tensor bias_storage;
  memory::desc layout;
  mutable std::mutex mutex;
  mutable std::map<Key, Convolution> primitives;

  std::int64_t output_size(std::int64_t size, std::int64_t kernel, std::int64_t padding) const {
    return (size + padding - kernel) / geometry.stride + 1;
  }
  std::int64_t output_height(std::int64_t height) const {
    return output_size(height, kernel_height, geometry.pad_top + geometry.pad_bottom);
  }
  std::int64_t output_width(std::int64_t width) const {
    return output_size(width, kernel_width, geometry.pad_left + geometry.pad_right);
  }
  memory::desc bias_layout() const { return {{out}, kFloat, memory::format_tag::a}; }
  memory::desc input_desc(std::int64_t height, std::int64_t width) const {
    return {{1, in, height, width}, kFloat, memory::format_tag::nhwc};
  }
  memory::desc output_desc(std::int64_t height, std::int64_t width) const {
    return {{1, out, output_height(height), output_width(width)}, kFloat, memory::format_tag::nhwc};
  }

  dnnl::convolution_forward::primitive_desc describe(std::int64_t height, std::int64_t width,
                                                     const memory::desc& weight_desc, bool accumulate) const {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::post_ops post;
    if (accumulate) post.append_sum(1.0F);
    attributes.set_post_ops(post);
    const memory::dims strides = {geometry.stride, geometry.stride};
    const memory::dims begin = {geometry.pad_top, geometry.pad_left};
    const memory::dims end = {geometry.pad_bottom, geometry.pad_right};
    const auto kind = dnnl::prop_kind::forward_inference;
    const auto algorithm = dnnl::algorithm::convolution_direct;
    const memory::desc x = input_desc(height, width);
    const memory::desc y = output_desc(height, width);
    const dnnl::convolution_forward::desc convolution =
        bias_storage.empty()
            ? dnnl::convolution_forward::desc(kind, algorithm, x, weight_desc, y, strides, begin, end)
            : dnnl::convolution_forward::desc(kind, algorithm, x, weight_desc, bias_layout(), y, strides, begin, end);
    return {convolution, attributes, cpu_engine()};
  }

  const Convolution& primitive(std::int64_t height, std::int64_t width, bool accumulate) const {
    const Key key{height, width, accumulate, threads()};
    const std::lock_guard lock(mutex);
    auto found = primitives.find(key);
    if (found == primitives.end()) {
      const std::string_view implementation = describe(height, width, layout, accumulate).impl_info_str();
      const bool alone = !implementation.starts_with("jit:avx512") && !implementation.starts_with("brgconv");
      const ThreadLimit limit(alone);
      Convolution built{alone, Scratchless<dnnl::convolution_forward>(describe(height, width, layout, accumulate))};
      found = primitives.emplace(key, std::move(built)).first;
    }
    return found->second;
  }
};

Conv2d::Conv2d(const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry, MemoryKind kind) {
  if (weight.shape().rank() != 4)
    fail("a convolution's weight has shape {}, expected [O, I, h, w]", weight.shape().to_string());
  auto impl = std::make_shared<Impl>();
  impl->out = weight.shape()[0];
  impl->in = weight.shape()[1];
  impl->kernel_height = weight.shape()[2];
  impl->kernel_width = weight.shape()[3];
  impl->geometry = geometry;
  if (!bias.empty()) {
    if (bias.elements() != impl->out) fail("a bias of {} elements for {} channels", bias.elements(), impl->out);
    impl->bias_storage = bias.convert_to_float(kind);
  }
  constexpr std::int64_t kTypicalSize = 64;
  const memory::dims dims = {impl->out, impl->in, impl->kernel_height, impl->kernel_width};
  impl->layout =
      impl->describe(kTypicalSize, kTypicalSize, {dims, kFloat, memory::format_tag::any}, false).weights_desc();
  const Tensor plain = weight.convert_to_float(MemoryKind::other);
  impl->storage = reorder_weight(plain, {dims, kFloat, memory::format_tag::oihw}, impl->layout, kind);
  impl_ = std::move(impl);
}

std::int64_t Conv2d::input_channels() const { return impl_->in; }
std::int64_t Conv2d::output_channels() const { return impl_->out; }
std::int64_t Conv2d::output_height(std::int64_t height) const { return impl_->output_height(height); }
std::int64_t Conv2d::output_width(std::int64_t width) const { return impl_->output_width(width); }

void Conv2d::run(View<const float> x, View<float> y, bool accumulate) const {
  const Impl& impl = *impl_;
  const bool fits = x.rank() == 3 && y.rank() == 3 && x.contiguous() && y.contiguous() && x.size(2) == impl.in &&
                    y.shape() == Shape{output_height(x.size(0)), output_width(x.size(1)), impl.out};
  if (!fits) {
    fail("a convolution of {} to {} channels was given {} and {}", impl.in, impl.out, x.shape().to_string(),
         y.shape().to_string());
  }
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, onednn_memory(impl.input_desc(x.size(0), x.size(1)), x.data())},
      {DNNL_ARG_WEIGHTS, onednn_memory(impl.layout, impl.storage.raw())},
      {DNNL_ARG_DST, onednn_memory(impl.output_desc(x.size(0), x.size(1)), y.data())}};
  if (!impl.bias_storage.empty()) {
    arguments.emplace(DNNL_ARG_BIAS, onednn_memory(impl.bias_layout(), impl.bias_storage.raw()));
  }
  impl.primitive(x.size(0), x.size(1), accumulate).execute(std::move(arguments));
}

}  // namespace scalekv::kernels
