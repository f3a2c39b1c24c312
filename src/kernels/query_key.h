// What happens between the qkv product and attention in Infinity's self-attention: biases, unit queries and keys, and
// the rotation by position, in one pass.
#pragma once

#include <cstdint>
#include <span>

#include "core/tensor.h"

namespace scalekv::kernels {

// Where one head's keys and values of the current map go: rows of head_size floats, `stride` floats apart.
struct KeyValueTarget {
  float* keys = nullptr;
  float* values = nullptr;
  std::int64_t stride = 0;
};

// qkv: [L, 3, H, D], the raw product, becomes
//   queries (in place in qkv[:, 0]) = rotate(normalise(q + q_bias) * query_scale[h])
//   targets[h].keys[l]              = rotate(normalise(k))
//   targets[h].values[l]            = v + v_bias
// normalise divides by max(|x|, 1e-12). cosine, sine: [L, D / 2]; the pair (2j, 2j+1) turns by angle j.
// q_bias, v_bias: [H * D]; query_scale: [H] (exp(min(scale_mul, log 100))). D is even.
void split_normalise_rotate(View<float> qkv, View<const float> q_bias, View<const float> v_bias,
                            View<const float> query_scale, View<const float> cosine, View<const float> sine,
                            std::span<const KeyValueTarget> targets);

}  // namespace scalekv::kernels
