#include "kernels/elementwise.h"

#include "base/error.h"
#include "kernels/simd_targets.h"
#include "runtime/threads.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// y[i] = operation(x[i]) for `count` elements; y may be x. A row's last few elements go through the same vectors, so
// that a value never depends on its place.
template <typename Operation>
HWY_INLINE void map_row(const float* x, float* y, std::size_t count, const Operation& operation) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(operation(d, hn::LoadU(d, x + i)), d, y + i);
  HWY_ALIGN float rest[hn::MaxLanes(d)] = {};
  for (std::size_t j = i; j < count; ++j) rest[j - i] = x[j];
  hn::Store(operation(d, hn::Load(d, rest)), d, rest);
  for (std::size_t j = i; j < count; ++j) y[j] = rest[j - i];
}

void gelu_row(const float* x, float* y, std::size_t count) {
  map_row(x, y, count, [](auto d, auto value) HWY_ATTR { return gelu_tanh(d, value); });
}
void silu_row(const float* x, float* y, std::size_t count) {
  map_row(x, y, count, [](auto d, auto value) HWY_ATTR { return silu(d, value); });
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(gelu_row);
HWY_EXPORT(silu_row);

}  // namespace

void gelu_tanh(View<float> x) {
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    HWY_DYNAMIC_DISPATCH(gelu_row)(x.at(row, 0), x.at(row, 0), static_cast<std::size_t>(x.size(1)));
  });
}

void silu(View<const float> x, View<float> y) {
  SCALEKV_ASSERT(x.shape() == y.shape());
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    HWY_DYNAMIC_DISPATCH(silu_row)(x.at(row, 0), y.at(row, 0), static_cast<std::size_t>(x.size(1)));
  });
}

void gelu_gate(View<float> gate, View<const float> x) {
  SCALEKV_ASSERT(x.shape() == gate.shape());
  gelu_tanh(gate);
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    for (std::int64_t c = 0; c < x.size(1); ++c) gate(row, c) *= x(row, c);
  });
}

void add_row(View<float> x, View<const float> row) {
  SCALEKV_ASSERT(row.elements() == x.size(1));
  parallel_for_static(x.size(0), [&](std::int64_t r) {
    float* target = x.at(r, 0);
    for (std::int64_t c = 0; c < x.size(1); ++c) target[c] += row.data()[c];
  });
}

void blend(View<const float> a, View<const float> b, float weight, View<float> out) {
  SCALEKV_ASSERT(a.shape() == b.shape() && a.shape() == out.shape());
  parallel_for_static(a.size(0), [&](std::int64_t row) {
    for (std::int64_t c = 0; c < a.size(1); ++c) out(row, c) = weight * a(row, c) + (1.0F - weight) * b(row, c);
  });
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
