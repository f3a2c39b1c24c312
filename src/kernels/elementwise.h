// Small maps over rows: activations, gates, sums.
#pragma once

#include "runtime/tensor.h"

namespace scalekv::kernels {

// GELU in its tanh form, x * sigmoid(x), in place over [M, C] (rows may be strided).
void gelu_tanh(View<float> x);
void silu(View<const float> x, View<float> y);

// gate = gelu_tanh(gate) * x: the gated feed-forward of T5.
void gelu_gate(View<float> gate, View<const float> x);

// x += row for every row of x: [M, C], row: [C].
void add_row(View<float> x, View<const float> row);

// out = weight * a + (1 - weight) * b, all [M, C]; out may be a or b. Classifier-free guidance.
void blend(View<const float> a, View<const float> b, float weight, View<float> out);

}  // namespace scalekv::kernels
