#include "kernels/norms.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/threads.h"

namespace scalekv::kernels {
namespace {

// Partial sums run in this many lanes, so that the compiler can use vectors and the order never changes.
constexpr std::int64_t kLanes = 16;

struct Moments {
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

Moments moments(const float* x, std::int64_t count, float epsilon) {
  const auto n = static_cast<float>(count);
  const float mean = lane_sum(x, count, [](float value) { return value; }) / n;
  const float variance = lane_sum(x, count, [mean](float value) { return (value - mean) * (value - mean); }) / n;
  return {mean, 1.0F / std::sqrt(variance + epsilon)};
}

void check_rows(View<const float> x, View<float> y, std::int64_t channels) {
  SCALEKV_ASSERT(x.rank() == 2 && x.shape() == y.shape() && x.size(1) == channels);
}

}  // namespace

void layer_norm_modulate(View<const float> x, View<const float> scale, View<const float> shift, float epsilon,
                         View<float> y) {
  const std::int64_t channels = x.size(1);
  check_rows(x, y, scale.elements());
  SCALEKV_ASSERT(shift.elements() == channels);
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    const float* in = x.at(row, 0);
    float* out = y.at(row, 0);
    const auto [mean, inverse] = moments(in, channels, epsilon);
    for (std::int64_t c = 0; c < channels; ++c) {
      out[c] = (in[c] - mean) * inverse * (1.0F + scale.data()[c]) + shift.data()[c];
    }
  });
}

void layer_norm_affine(View<const float> x, View<const float> weight, View<const float> bias, float epsilon,
                       View<float> y) {
  const std::int64_t channels = x.size(1);
  check_rows(x, y, weight.elements());
  SCALEKV_ASSERT(bias.elements() == channels);
  parallel_for_static(x.size(0), [&](std::int64_t row) {
    const float* in = x.at(row, 0);
    float* out = y.at(row, 0);
    const auto [mean, inverse] = moments(in, channels, epsilon);
    for (std::int64_t c = 0; c < channels; ++c) out[c] = (in[c] - mean) * inverse * weight.data()[c] + bias.data()[c];
  });
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

void group_norm(View<const float> x, int groups, View<const float> weight, View<const float> bias, float epsilon,
                bool swish, View<float> y) {
  const std::int64_t channels = x.size(2);
  const std::int64_t cells = x.size(0) * x.size(1);
  const std::int64_t per_group = channels / groups;
  SCALEKV_ASSERT(x.shape() == y.shape() && x.contiguous() && y.contiguous() && channels % groups == 0);
  SCALEKV_ASSERT(weight.elements() == channels && bias.elements() == channels);

  // Two passes: means, then squared distances from them. Each works on fixed runs of cells, whose sums are added in
  // order, so that the thread count changes nothing.
  constexpr std::int64_t kRun = 1024;
  const std::int64_t runs = (cells + kRun - 1) / kRun;
  const auto width = static_cast<std::size_t>(channels);
  std::vector<double> partial(static_cast<std::size_t>(runs) * width);
  std::vector<float> center(width, 0.0F);
  const auto sum_runs = [&](bool squared) {
    parallel_for_static(runs, [&](std::int64_t run) {
      double* sums = partial.data() + run * channels;
      std::vector<float> local(width, 0.0F);
      for (std::int64_t c = 0; c < channels; ++c) sums[c] = 0.0;
      const std::int64_t end = std::min(cells, (run + 1) * kRun);
      for (std::int64_t cell = run * kRun; cell < end; ++cell) {
        const float* in = x.data() + cell * channels;
        for (std::size_t c = 0; c < width; ++c) {
          const float value = in[c] - center[c];
          local[c] += squared ? value * value : value;
        }
        if ((cell + 1) % 64 == 0 || cell + 1 == end) {  // short float sums, long double ones
          for (std::size_t c = 0; c < width; ++c) sums[c] += static_cast<double>(std::exchange(local[c], 0.0F));
        }
      }
    });
    std::vector<double> group_sums(static_cast<std::size_t>(groups), 0.0);
    for (std::int64_t run = 0; run < runs; ++run) {
      for (std::int64_t c = 0; c < channels; ++c) {
        group_sums[static_cast<std::size_t>(c / per_group)] += partial[static_cast<std::size_t>(run * channels + c)];
      }
    }
    for (double& sum : group_sums) sum /= static_cast<double>(cells * per_group);
    return group_sums;
  };
  const std::vector<double> mean = sum_runs(false);
  for (std::int64_t c = 0; c < channels; ++c) {
    center[static_cast<std::size_t>(c)] = static_cast<float>(mean[static_cast<std::size_t>(c / per_group)]);
  }
  const std::vector<double> variance = sum_runs(true);

  std::vector<float> factor(width), offset(width);
  for (std::size_t c = 0; c < width; ++c) {
    const double deviation =
        std::sqrt(variance[c / static_cast<std::size_t>(per_group)] + static_cast<double>(epsilon));
    factor[c] = static_cast<float>(static_cast<double>(weight.data()[c]) / deviation);
    offset[c] = bias.data()[c];
  }
  parallel_for_static(cells, [&](std::int64_t cell) {
    const float* in = x.data() + cell * channels;
    float* out = y.data() + cell * channels;
    for (std::size_t c = 0; c < width; ++c) out[c] = (in[c] - center[c]) * factor[c] + offset[c];
    if (swish) {
      for (std::size_t c = 0; c < width; ++c) out[c] = out[c] / (1.0F + std::exp(-out[c]));
    }
  });
}

}  // namespace scalekv::kernels
