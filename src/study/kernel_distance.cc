#include "study/kernel_distance.h"

#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "runtime/philox.h"
#include "runtime/threads.h"

namespace scalekv::study {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
using Eigen::Index;

constexpr std::int64_t kSubsets = 100;
constexpr std::uint64_t kSeed = 0;

// `count` features drawn without putting back: [size, count]. The first steps of a shuffle of all of them.
Matrix draw(const FeatureList& list, std::int64_t count, std::int64_t subset, std::uint32_t side) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(list.pictures()));
  std::iota(order.begin(), order.end(), 0);
  Matrix drawn(list.size, count);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto left = static_cast<std::uint64_t>(list.pictures() - i);
    const PhiloxCounter words =
        philox4x32({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(subset), side, 0}, {kSeed, 0});
    const std::uint64_t other = ((std::uint64_t{words[1]} << 32 | words[0]) % left) + static_cast<std::uint64_t>(i);
    std::swap(order[static_cast<std::size_t>(i)], order[other]);
    const float* features = list.values.data() + order[static_cast<std::size_t>(i)] * list.size;
    for (std::int64_t k = 0; k < list.size; ++k) drawn(k, i) = features[k];
  }
  return drawn;
}

Matrix kernel(const Matrix& x, const Matrix& y) {
  const Matrix products = x.transpose() * y;
  return (products.array() / static_cast<double>(x.rows()) + 1.0).cube();
}

double discrepancy(const Matrix& x, const Matrix& y) {
  const auto count = static_cast<double>(x.cols());
  const Matrix own = kernel(x, x) + kernel(y, y);
  return ((own.sum() - own.trace()) / (count - 1.0) - 2.0 * kernel(x, y).sum() / count) / count;
}

}  // namespace

double kernel_distance(const FeatureList& a, const FeatureList& b) {
  if (a.size != b.size) fail("features of {} and of {} numbers cannot be compared", a.size, b.size);
  const std::int64_t shorter = std::min(a.pictures(), b.pictures());
  if (shorter < 2) fail("KID needs at least 2 pictures in each folder, not {}", shorter);
  const std::int64_t count = std::min(shorter, kLargestSubset);
  // Subsets that are the whole lists are all the same.
  const bool whole = a.pictures() == count && b.pictures() == count;
  std::vector<double> values(whole ? 1 : kSubsets);
  parallel_for(static_cast<std::int64_t>(values.size()), [&](std::int64_t subset) {
    values[static_cast<std::size_t>(subset)] = discrepancy(draw(a, count, subset, 0), draw(b, count, subset, 1));
  });
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace scalekv::study
