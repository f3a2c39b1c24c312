#include "kernels/elementwise.h"

#include <cmath>

#include "core/error.h"
#include "core/threads.h"

namespace scalekv::kernels {
namespace {

// 0.5 x (1 + tanh(u)) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
float gelu(float x) {
  constexpr float kTwiceRoot = 1.5957691216F;  // 2 sqrt(2 / pi)
  const float u = kTwiceRoot * (x + 0.044715F * x * x * x);
  return x / (1.0F + std::exp(-u));
}

}  // namespace

void gelu_tanh(View<float> x) {
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    for (std::int64_t c = 0; c < x.size(1); ++c) x(row, c) = gelu(x(row, c));
  });
}

void silu(View<const float> x, View<float> y) {
  SCALEKV_ASSERT(x.shape() == y.shape());
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    for (std::int64_t c = 0; c < x.size(1); ++c) y(row, c) = x(row, c) / (1.0F + std::exp(-x(row, c)));
  });
}

void gelu_gate(View<float> gate, View<const float> x) {
  SCALEKV_ASSERT(x.shape() == gate.shape());
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    for (std::int64_t c = 0; c < x.size(1); ++c) gate(row, c) = gelu(gate(row, c)) * x(row, c);
  });
}

void add_gated(View<float> x, View<const float> y, View<const float> gate) {
  SCALEKV_ASSERT(x.shape() == y.shape() && (gate.empty() || gate.elements() == x.size(1)));
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    float* target = x.at(row, 0);
    const float* source = y.at(row, 0);
    for (std::int64_t c = 0; c < x.size(1); ++c) target[c] += gate.empty() ? source[c] : source[c] * gate.data()[c];
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
