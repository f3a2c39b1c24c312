// What happens to the sums of a matrix product before they are written, included once per instruction set.
// NOLINTBEGIN(llvm-header-guard)
#if defined(SCALEKV_KERNELS_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCALEKV_KERNELS_EPILOGUE_INL_H_
#undef SCALEKV_KERNELS_EPILOGUE_INL_H_
#else
#define SCALEKV_KERNELS_EPILOGUE_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/activation-inl.h"
#include "kernels/epilogue.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

// out = (out +) gate * activation(sums + bias) for `count` outputs from number `column` on.
HWY_INLINE void finish_row(const float* HWY_RESTRICT sums, std::size_t column, std::size_t count,
                           const Epilogue& epilogue, const float* gate, float* HWY_RESTRICT out) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto finish = [&](const float* sum, const float* bias, const float* factor, float* target) HWY_ATTR {
    auto value = hn::LoadU(d, sum);
    if (bias != nullptr) value = hn::Add(value, hn::LoadU(d, bias));
    if (epilogue.activation == Activation::gelu_tanh) value = gelu_tanh(d, value);
    if (factor != nullptr) value = hn::Mul(value, hn::LoadU(d, factor));
    if (epilogue.accumulate) value = hn::Add(value, hn::LoadU(d, target));
    hn::StoreU(value, d, target);
  };
  const float* bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + column;
  const float* factor = gate == nullptr ? nullptr : gate + column;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    finish(sums + i, bias == nullptr ? nullptr : bias + i, factor == nullptr ? nullptr : factor + i, out + i);
  }
  if (i == count) return;
  // The last few outputs go through copies, so that nothing behind them is touched.
  constexpr std::size_t kMost = hn::MaxLanes(d);
  HWY_ALIGN float tails[4][kMost] = {};
  const std::size_t rest = count - i;
  for (std::size_t j = 0; j < rest; ++j) {
    tails[0][j] = sums[i + j];
    if (bias != nullptr) tails[1][j] = bias[i + j];
    if (factor != nullptr) tails[2][j] = factor[i + j];
    if (epilogue.accumulate) tails[3][j] = out[i + j];
  }
  finish(tails[0], bias == nullptr ? nullptr : tails[1], factor == nullptr ? nullptr : tails[2], tails[3]);
  for (std::size_t j = 0; j < rest; ++j) out[i + j] = tails[3][j];
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
// NOLINTEND(llvm-header-guard)
