// What happens between the qkv product and attention in Infinity's self-attention: biases, unit queries and keys, and
// the rotation by position, in one pass.
#pragma once

#include "runtime/tensor.h"

namespace scalekv::kernels {

// qkv: [L, 3, H, D], the raw product, becomes in place
//   queries (qkv[:, 0]) = rotate(normalise(q + q_bias) * query_scale[h])
//   keys    (qkv[:, 1]) = rotate(normalise(k))
//   values  (qkv[:, 2]) = v + v_bias
// normalise divides by max(|x|, 1e-12). cosine, sine: [L, D / 2]; the pair (2j, 2j+1) turns by angle j.
// q_bias, v_bias: [H * D]; query_scale: [H] (exp(min(scale_mul, log 100))). D is even.
void normalise_rotate(View<float> qkv, View<const float> q_bias, View<const float> v_bias,
                      View<const float> query_scale, View<const float> cosine, View<const float> sine);

}  // namespace scalekv::kernels
