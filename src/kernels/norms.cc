#include "kernels/norms.h"

#include <cmath>

#include "base/error.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

// Partial sums run in this many lanes, so that the compiler can use vectors and the order never changes.
constexpr std::int64_t kLanes = 16;

struct RowMoments {
  float mean;
  float inverse_deviation;
};

template <typename Term>
float lane_sum(const float* x, std::int64_t count, const Term& term) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] += term(x[i + j]);
  }
  for (std::int64_t j = 0; i < count; ++i, ++j) lanes[j] += term(x[i]);
  float sum = 0.0F;
  for (const float lane : lanes) sum += lane;
  return sum;
}

RowMoments moments(const float* x, std::int64_t count, float epsilon) {
  const auto n = static_cast<float>(count);
  const float mean = lane_sum(x, count, [](float value) { return value; }) / n;
  const float variance = lane_sum(x, count, [mean](float value) { return (value - mean) * (value - mean); }) / n;
  return {mean, 1.0F / std::sqrt(variance + epsilon)};
}

void check_rows(View<const float> x, View<float> y, std::int64_t channels) {
  SCALEKV_ASSERT(x.rank() == 2 && x.shape() == y.shape() && x.size(1) == channels);
}

// y = LayerNorm(x) * factor(c) + offset[c]
template <typename Factor>
void layer_norm(View<const float> x, const Factor& factor, View<const float> offset, float epsilon, View<float> y) {
  const std::int64_t channels = x.size(1);
  check_rows(x, y, offset.elements());
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    const float* in = x.at(row, 0);
    float* out = y.at(row, 0);
    const auto [mean, inverse] = moments(in, channels, epsilon);
    for (std::int64_t c = 0; c < channels; ++c) out[c] = (in[c] - mean) * inverse * factor(c) + offset.data()[c];
  });
}

}  // namespace

void layer_norm_modulate(View<const float> x, View<const float> scale, View<const float> shift, float epsilon,
                         View<float> y) {
  SCALEKV_ASSERT(scale.elements() == x.size(1));
  layer_norm(
      x, [scale](std::int64_t c) { return (1.0F + scale.data()[c]); }, shift, epsilon, y);
}

void layer_norm_affine(View<const float> x, View<const float> weight, View<const float> bias, float epsilon,
                       View<float> y) {
  SCALEKV_ASSERT(weight.elements() == x.size(1));
  layer_norm(
      x, [weight](std::int64_t c) { return weight.data()[c]; }, bias, epsilon, y);
}

void rms_norm(View<const float> x, View<const float> weight, float epsilon, View<float> y) {
  const std::int64_t channels = x.size(1);
  check_rows(x, y, weight.elements());
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    const float* in = x.at(row, 0);
    float* out = y.at(row, 0);
    const float squares = lane_sum(in, channels, [](float value) { return value * value; });
    const float inverse = 1.0F / std::sqrt(squares / static_cast<float>(channels) + epsilon);
    for (std::int64_t c = 0; c < channels; ++c) out[c] = in[c] * inverse * weight.data()[c];
  });
}

}  // namespace scalekv::kernels
