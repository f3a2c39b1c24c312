#include "kernels/query_key.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

// x, size long, is divided by its length (at least 1e-12), multiplied by `scale` and turned.
void normalise_rotate_row(float* x, std::int64_t size, float scale, const float* cosine, const float* sine) {
  float squares = 0.0F;
#pragma omp simd reduction(+ : squares)
  for (std::int64_t d = 0; d < size; ++d) squares += x[d] * x[d];
  const float factor = scale / std::max(std::sqrt(squares), 1e-12F);
  for (std::int64_t j = 0; j < size / 2; ++j) {
    const float a = x[2 * j] * factor;
    const float b = x[2 * j + 1] * factor;
    x[2 * j] = cosine[j] * a - sine[j] * b;
    x[2 * j + 1] = sine[j] * a + cosine[j] * b;
  }
}

}  // namespace

void normalise_rotate(View<float> qkv, View<const float> q_bias, View<const float> v_bias,
                      View<const float> query_scale, View<const float> cosine, View<const float> sine) {
  const std::int64_t heads = qkv.size(2);
  const std::int64_t size = qkv.size(3);
  SCALEKV_ASSERT(qkv.size(1) == 3 && size % 2 == 0);
  SCALEKV_ASSERT(cosine.shape() == (Shape{qkv.size(0), size / 2}) && sine.shape() == cosine.shape());
  parallel_for_static(qkv.size(0), [&](std::int64_t row) {
    for (std::int64_t h = 0; h < heads; ++h) {
      float* query = qkv.at(row, 0, h, 0);
      for (std::int64_t d = 0; d < size; ++d) query[d] += q_bias.data()[h * size + d];
      normalise_rotate_row(query, size, query_scale.data()[h], cosine.at(row, 0), sine.at(row, 0));
      normalise_rotate_row(qkv.at(row, 1, h, 0), size, 1.0F, cosine.at(row, 0), sine.at(row, 0));
      float* value = qkv.at(row, 2, h, 0);
      for (std::int64_t d = 0; d < size; ++d) value[d] += v_bias.data()[h * size + d];
    }
  });
}

}  // namespace scalekv::kernels
