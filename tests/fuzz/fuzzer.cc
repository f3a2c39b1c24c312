// The entry point of one libFuzzer target; SCALEKV_TARGET is its function, in SCALEKV_TARGET_HEADER.
#include <cstddef>
#include <cstdint>

#include "fuzz/run_target.h"
#include "runtime/runtime.h"
#include SCALEKV_TARGET_HEADER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static scalekv::Runtime runtime(1);
  const scalekv::Runtime::Scope scope(runtime);
  scalekv::run_target(scalekv::SCALEKV_TARGET, {reinterpret_cast<const char*>(data), size});
  return 0;
}
