#include "kernels/machine.h"

#include <fmt/format.h>
#include <hwy/targets.h>

#include <dnnl.hpp>

namespace scalekv::kernels {
namespace {

const char* onednn_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2 VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 VNNI BF16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AMX";
    default:
      return "generic";
  }
}

}  // namespace

std::string highway_target() {
  return hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets());  // the lowest bit is the best target
}

std::string machine_description() { return fmt::format("Highway {}, oneDNN {}", highway_target(), onednn_name()); }

}  // namespace scalekv::kernels
