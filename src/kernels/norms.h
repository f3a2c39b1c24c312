// Normalisations, fused with what follows them. All maps and rows float32; statistics in float32 or better.
#pragma once

#include "runtime/tensor.h"

namespace scalekv::kernels {

// y = LayerNorm(x) * (1 + scale) + shift; x, y: [M, C] (rows may be strided; y may be x), scale, shift: [C]; no affine.
void layer_norm_modulate(View<const float> x, View<const float> scale, View<const float> shift, float epsilon,
                         View<float> y);

// y = LayerNorm(x) * weight + bias.
void layer_norm_affine(View<const float> x, View<const float> weight, View<const float> bias, float epsilon,
                       View<float> y);

// y = x / sqrt(mean(x^2) + epsilon) * weight, without a mean.
void rms_norm(View<const float> x, View<const float> weight, float epsilon, View<float> y);

}  // namespace scalekv::kernels
