// The one place that holds oneDNN's engine.
#pragma once

#include <dnnl.hpp>

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

}  // namespace scalekv::kernels
