#include "kernels/products.h"

#include <hwy/targets.h>

#include "kernels/linear_impl.h"
#include "kernels/machine.h"

namespace scalekv::kernels {

Product choose_product(WeightType type, std::int64_t inputs, std::int64_t outputs) {
  switch (type) {
    case WeightType::int8:
      return Product::int8;
    case WeightType::bf16:
      return Product::bf16;
    case WeightType::f32:
      break;
  }
  constexpr bool kFaster = HWY_ARCH_X86 != 0;  // elsewhere nobody has measured it
  return kFaster && !onednn_implementation(inputs, outputs).empty() ? Product::onednn : Product::panels;
}

std::string product_name(WeightType type, std::int64_t inputs, std::int64_t outputs) {
  switch (choose_product(type, inputs, outputs)) {
    case Product::onednn:
      return "oneDNN " + onednn_implementation(inputs, outputs);
    case Product::panels:
      return "panels " + highway_target();
    case Product::bf16:
      return "bf16 " + highway_target();
    case Product::int8:
      break;
  }
  return "int8 " + highway_target();
}

bool prefers_int8() {
#if HWY_ARCH_X86
  return (hwy::SupportedTargets() & HWY_AVX2) != 0;
#else
  return false;  // measured nowhere
#endif
}

}  // namespace scalekv::kernels
