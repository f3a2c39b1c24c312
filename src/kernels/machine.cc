#include "kernels/machine.h"

#include "kernels/simd_targets.h"

#include <fmt/format.h>
#include <hwy/highway.h>
#include <hwy/targets.h>
#include <sys/utsname.h>

#include <dnnl.hpp>
#include <fstream>
#include <string_view>
#include <utility>

namespace scalekv::kernels {
namespace {

// An instruction set of oneDNN's is a set of bits that holds those of the ones before it. On other processors oneDNN
// gives the same numbers other meanings.
const char* onednn_name() {
#if HWY_ARCH_X86
  using Isa = dnnl::cpu_isa;
  constexpr std::pair<Isa, const char*> kNames[] = {{Isa::avx512_core_amx, "AMX"},
                                                    {Isa::avx512_core_bf16, "AVX-512 VNNI BF16"},
                                                    {Isa::avx512_core_vnni, "AVX-512 VNNI"},
                                                    {Isa::avx512_core, "AVX-512"},
                                                    {Isa::avx2_vnni, "AVX2 VNNI"},
                                                    {Isa::avx2, "AVX2"},
                                                    {Isa::avx, "AVX"},
                                                    {Isa::sse41, "SSE4.1"}};
  const auto here = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  for (const auto& [isa, name] : kNames) {
    const auto bits = static_cast<unsigned>(isa);
    if ((here & bits) == bits) return name;
  }
#endif
  return "generic";
}

}  // namespace

std::string highway_target() {
  const auto targets = hwy::SupportedTargets() & ~HWY_DISABLED_TARGETS;
  return hwy::TargetName(targets & -targets);  // the lowest bit is the best target
}

std::string processor_name() {
  constexpr std::string_view kField = "model name";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with(kField) && colon != std::string::npos) return line.substr(colon + 2);
  }
  utsname system = {};
  return uname(&system) == 0 ? system.machine : "unknown";
}

std::string library_versions() {
  const dnnl::version_t& onednn = *dnnl::version();
  return fmt::format("oneDNN {}.{}.{}, Highway {}.{}.{}", onednn.major, onednn.minor, onednn.patch, HWY_MAJOR,
                     HWY_MINOR, HWY_PATCH);
}

std::string machine_description() { return fmt::format("Highway {}, oneDNN {}", highway_target(), onednn_name()); }

}  // namespace scalekv::kernels
