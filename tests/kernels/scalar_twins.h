// The kernels' arithmetic written plainly, in double precision: what the fast ones are held to.
#pragma once

#include <gtest/gtest.h>

#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/attention.h"
#include "runtime/tensor.h"
#include "runtime/threads.h"

namespace scalekv::kernels {

using Rows = std::vector<std::vector<double>>;

// A matrix of normal numbers whose rows are `gap` floats longer than they seem and start one float off alignment, with
// sentinels before, in between and behind.
class Ragged {
 public:
  Ragged(std::int64_t rows, std::int64_t columns, std::int64_t gap, unsigned seed, float deviation = 1.0F)
      : rows_(rows), columns_(columns), stride_(columns + gap) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(0.0F, deviation);
    storage_.assign(static_cast<std::size_t>(rows * stride_ + 2), kSentinel);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) view()(r, c) = normal(generator);
    }
  }
  View<float> view() { return {storage_.data() + 1, {rows_, columns_}, {stride_, 1}}; }
  std::int64_t stride() const { return stride_; }
  // The gaps still hold what they held.
  bool gaps_untouched() {
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = columns_; c < stride_; ++c) {
        if (view()(r, c) != kSentinel) return false;
      }
    }
    return storage_.front() == kSentinel && storage_.back() == kSentinel;
  }
  Tensor tensor() {
    Tensor copy(DType::f32, {rows_, columns_}, MemoryKind::other);
    for (std::int64_t r = 0; r < rows_; ++r) std::copy_n(view().at(r, 0), columns_, copy.view<float>().at(r, 0));
    return copy;
  }

 private:
  static constexpr float kSentinel = 1234.5F;
  std::int64_t rows_, columns_, stride_;
  std::vector<float> storage_;
};

// Draws sizes that nobody chose; always the same ones, so that a failure comes again.
class Sizes {
 public:
  std::int64_t operator()(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(generator_);
  }

 private:
  std::mt19937 generator_{20};
};

// The cases that were chosen, and `count` more from draw(Sizes&).
template <typename Case, std::size_t kChosen, typename Draw>
std::vector<Case> with_drawn(const Case (&chosen)[kChosen], int count, const Draw& draw) {
  std::vector<Case> cases(chosen, chosen + kChosen);
  Sizes size;
  for (int i = 0; i < count; ++i) cases.push_back(draw(size));
  return cases;
}

inline Tensor random_tensor(const Shape& shape, unsigned seed, float deviation = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  Tensor tensor(DType::f32, shape, MemoryKind::other);
  const View<float> flat = tensor.view<float>().reshape({tensor.elements()});
  for (std::int64_t i = 0; i < tensor.elements(); ++i) flat(i) = normal(generator);
  return tensor;
}

inline bool same_bits(View<const float> a, View<const float> b) {
  for (std::int64_t r = 0; r < a.size(0); ++r) {
    if (std::memcmp(a.at(r, 0), b.at(r, 0), static_cast<std::size_t>(a.size(1)) * sizeof(float)) != 0) return false;
  }
  return true;
}

// Runs `body` with 1, 2 and 3 threads.
template <typename Body>
void for_thread_counts(const Body& body) {
  const int before = threads();
  for (int count = 1; count <= 3; ++count) {
    Runtime::current().set_threads(count);
    SCOPED_TRACE("threads " + std::to_string(count));
    body();
  }
  Runtime::current().set_threads(before);
}

// Runs `body` once on each instruction set that the kernels were compiled for and this machine has.
template <typename Body>
void for_instruction_sets(const Body& body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

inline double gelu_twin(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}
inline double silu_twin(double x) { return x / (1.0 + std::exp(-x)); }

// x W^T + bias (bias may be empty).
inline Rows linear_twin(View<const float> x, View<const float> weight, View<const float> bias) {
  Rows y(static_cast<std::size_t>(x.size(0)));
  for (std::int64_t m = 0; m < x.size(0); ++m) {
    for (std::int64_t n = 0; n < weight.size(0); ++n) {
      double sum = bias.empty() ? 0.0 : static_cast<double>(bias.data()[n]);
      for (std::int64_t k = 0; k < x.size(1); ++k) {
        sum += static_cast<double>(x(m, k)) * static_cast<double>(weight(n, k));
      }
      y[static_cast<std::size_t>(m)].push_back(sum);
    }
  }
  return y;
}

// Segments of floats only.
inline std::vector<double> attention_twin(const AttentionHead& head, std::int64_t query, std::int64_t size,
                                          double scale) {
  std::vector<double> scores;
  std::vector<const float*> values;
  for (const KeyValueSegment& segment : head.segments) {
    const auto* segment_keys = static_cast<const float*>(segment.keys);
    const auto* segment_values = static_cast<const float*>(segment.values);
    for (std::int64_t k = 0; k < segment.count; ++k) {
      double score = 0.0;
      for (std::int64_t d = 0; d < size; ++d) {
        score += static_cast<double>(head.queries[query * head.query_stride + d]) *
                 static_cast<double>(segment_keys[k * segment.stride + d]);
      }
      score *= scale;
      if (head.bias != nullptr) {
        score += static_cast<double>(head.bias[query * head.bias_stride + static_cast<std::int64_t>(scores.size())]);
      }
      scores.push_back(score);
      values.push_back(segment_values + k * segment.stride);
    }
  }
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  std::vector<double> out(static_cast<std::size_t>(size), 0.0);
  for (std::size_t k = 0; k < scores.size(); ++k) {
    const double weight = std::exp(scores[k] - top);
    sum += weight;
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * static_cast<double>(values[k][d]);
  }
  for (double& value : out) value /= sum;
  return out;
}

}  // namespace scalekv::kernels
