// The one place that holds oneDNN's engine, what every primitive of ours needs around it, and what its versions 2 and 3
// say differently.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <unordered_map>

#include "kernels/onednn_library.h"
#include "runtime/tensor.h"

namespace scalekv::kernels {

inline const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// A stream carries no state between calls on the CPU; one a thread keeps calls from different threads apart.
inline dnnl::stream& cpu_stream() {
  static thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

// A tensor's memory as oneDNN sees it. oneDNN's arguments are never const; it only writes to destinations.
inline dnnl::memory onednn_memory(const dnnl::memory::desc& layout, const void* data) {
  return {layout, cpu_engine(), const_cast<void*>(data)};
}

// y = x W^T + bias; a bias that was not described is none.
inline dnnl::matmul::primitive_desc describe_matmul(const dnnl::memory::desc& x, const dnnl::memory::desc& weight,
                                                    const dnnl::memory::desc& y, const dnnl::memory::desc& bias = {},
                                                    const dnnl::primitive_attr& attributes = {}) {
#if DNNL_VERSION_MAJOR >= 3
  return {cpu_engine(), x, weight, bias, y, attributes};
#else
  return {dnnl::matmul::desc(x, weight, bias, y), attributes, cpu_engine()};
#endif
}

// What follows the sums of a primitive: gelu in tanh's form.
inline void append_gelu_tanh(dnnl::post_ops& post) {
#if DNNL_VERSION_MAJOR >= 3
  post.append_eltwise(dnnl::algorithm::eltwise_gelu_tanh, 0.0F, 0.0F);
#else
  post.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_tanh, 0.0F, 0.0F);
#endif
}

// While it lives, oneDNN's calls from this thread run on this thread alone: oneDNN would start threads of OpenMP.
class OneThread {
 public:
  OneThread() : before_(set_onednn_threads(1)) {}
  ~OneThread() { set_onednn_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// Lays `weight`, float32 in `plain` layout, out as `layout` at `target`.
inline void reorder_weight(const float* weight, const dnnl::memory::desc& plain, const dnnl::memory::desc& layout,
                           void* target) {
  const OneThread alone;
  dnnl::memory from = onednn_memory(plain, weight);
  dnnl::memory to = onednn_memory(layout, target);
  dnnl::reorder(from, to).execute(cpu_stream(), from, to);
  cpu_stream().wait();
}

// A primitive whose scratch memory its caller brings: oneDNN's own would be shared with whoever runs the same primitive
// in another thread.
template <typename Primitive>
struct Scratchless {
  Primitive primitive;
  dnnl::memory::desc scratchpad;

  explicit Scratchless(const typename Primitive::primitive_desc& description)
      : primitive(description), scratchpad(description.scratchpad_desc()) {}

  void execute(std::unordered_map<int, dnnl::memory> arguments) const {
    const OneThread alone;
    Tensor scratch;
    if (scratchpad.get_size() > 0) {
      scratch = Tensor(DType::u8, {static_cast<std::int64_t>(scratchpad.get_size())}, MemoryKind::other);
      arguments.emplace(DNNL_ARG_SCRATCHPAD, onednn_memory(scratchpad, scratch.raw()));
    }
    primitive.execute(cpu_stream(), arguments);
    cpu_stream().wait();
  }
};

}  // namespace scalekv::kernels
