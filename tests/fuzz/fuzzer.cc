// The entry point of one libFuzzer target; SCALEKV_TARGET is its function in targets.h.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  scalekv::checkpoint::run_target(scalekv::checkpoint::SCALEKV_TARGET, {reinterpret_cast<const char*>(data), size});
  return 0;
}
