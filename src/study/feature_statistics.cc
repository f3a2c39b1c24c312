// Eigen's own threads would add up in another order for every number of them.
#define EIGEN_DONT_PARALLELIZE
#include "study/feature_statistics.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "base/error.h"
#include "formats/npz.h"
#include "runtime/philox.h"
#include "runtime/threads.h"
#include "study/singular_values.h"

namespace scalekv::study {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
using Eigen::Index;

constexpr std::size_t kBlock = 32;  // pictures whose products are added in one step

Eigen::Map<const Matrix> as_matrix(const std::vector<double>& values, std::size_t columns) {
  return {values.data(), static_cast<Index>(values.size() / columns), static_cast<Index>(columns)};
}

// sum + the products of `pending` [rows, d].
void add_products(const std::vector<double>& pending, std::size_t size, std::vector<double>& sum) {
  const Eigen::Map<const Matrix> block(pending.data(), static_cast<Index>(size),
                                       static_cast<Index>(pending.size() / size));  // [d, rows]
  Eigen::Map<Matrix> products(sum.data(), static_cast<Index>(size), static_cast<Index>(size));
  products.selfadjointView<Eigen::Lower>().rankUpdate(block);
}

// A matrix F with F F^T = S, of as many columns as S has rank: Cholesky's factor, always going on with the largest
// pivot that is left (S is positive semidefinite, and of rank n - 1 where there are n pictures fewer than features).
Matrix factor(const std::vector<double>& covariance, std::size_t size) {
  const Eigen::Map<const Matrix> matrix = as_matrix(covariance, size);
  Eigen::VectorXd left = matrix.diagonal();  // of the diagonal of S - F F^T
  const double largest = left.maxCoeff();
  const double tolerance = largest * static_cast<double>(size) * std::numeric_limits<double>::epsilon();
  if (left.minCoeff() < -tolerance) fail("a covariance has a negative variance, {:.3g}", left.minCoeff());
  Matrix factor(matrix.rows(), matrix.cols());
  Index rank = 0;
  for (; rank < matrix.cols(); ++rank) {
    Index pivot = 0;
    if (left.maxCoeff(&pivot) <= tolerance) break;
    auto column = factor.col(rank);
    column = matrix.col(pivot);
    column.noalias() -= factor.leftCols(rank) * factor.row(pivot).head(rank).transpose();
    column /= std::sqrt(left(pivot));
    left -= column.cwiseAbs2();
    left(pivot) = 0.0;
  }
  factor.conservativeResize(Eigen::NoChange, rank);
  return factor;
}

// The trace of (S1 S2)^(1/2). With S = F F^T its eigenvalues are the singular values of F1^T F2: S1 S2 has the
// eigenvalues of (F1^T F2)(F1^T F2)^T. No root is taken of what rounding left of a zero.
double trace_of_root(const std::vector<double>& a, const std::vector<double>& b, std::size_t size) {
  const Matrix product = factor(a, size).transpose() * factor(b, size);
  return sum_of_singular_values({product.data(), static_cast<std::size_t>(product.size())},
                                static_cast<std::size_t>(product.rows()));
}

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

Tensor to_tensor(const std::vector<double>& values, const Shape& shape) {
  Tensor tensor(DType::f64, shape, MemoryKind::other);
  std::copy(values.begin(), values.end(), tensor.view<double>().data());
  return tensor;
}

std::vector<double> to_vector(const Tensor& tensor) {
  const double* values = tensor.view<double>().data();
  return {values, values + tensor.elements()};
}

using Arrays = std::map<std::string, Tensor>;

FeatureList list_of(const Arrays& arrays, const std::filesystem::path& path) {
  if (!arrays.contains("feats")) return {};
  const Tensor& features = arrays.at("feats");
  if (features.shape().rank() != 2 || features.elements() == 0) {
    fail("{} has \"feats\" of shape {}, expected [pictures, d]", path.string(), features.shape().to_string());
  }
  FeatureList list{.size = features.shape()[1], .values = {}};
  const double* values = features.view<double>().data();
  for (std::int64_t i = 0; i < features.elements(); ++i) {
    list.values.push_back(static_cast<float>(values[i]));
    if (!std::isfinite(list.values.back())) fail("{}: \"feats\" holds {} at element {}", path.string(), values[i], i);
  }
  return list;
}

FeatureStatistics statistics_of(const FeatureList& list) {
  FeatureAccumulator accumulator;
  const auto size = static_cast<std::size_t>(list.size);
  for (std::size_t i = 0; i < list.values.size(); i += size) accumulator.add(std::span(list.values).subspan(i, size));
  return accumulator.statistics();
}

FeatureStatistics statistics_of(const Arrays& arrays, const std::filesystem::path& path) {
  for (const char* name : {"mu", "sigma"}) {
    if (!arrays.contains(name)) fail("{} has no array \"{}\"; it is no statistics file of FID", path.string(), name);
  }
  const Tensor& mean = arrays.at("mu");
  const Tensor& covariance = arrays.at("sigma");
  const std::int64_t size = mean.elements();
  if (mean.shape().rank() != 1 || size == 0 || covariance.shape() != Shape{size, size}) {
    fail("{} has \"mu\" of shape {} and \"sigma\" of shape {}, expected [d] and [d, d]", path.string(),
         mean.shape().to_string(), covariance.shape().to_string());
  }
  const View<const double> values = covariance.view<double>();
  for (std::int64_t i = 0; i < size; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      constexpr double kTolerance = 1e-6;
      const double scale = std::sqrt(std::max(0.0, values(i, i) * values(j, j)));
      if (values(i, i) < 0.0 || std::abs(values(i, j) - values(j, i)) > kTolerance * scale + kTolerance) {
        fail("{}: \"sigma\" is no covariance, at row {} and column {}", path.string(), i, j);
      }
    }
  }
  const bool counted = arrays.contains("pictures") && arrays.at("pictures").elements() == 1;
  const double pictures = counted ? arrays.at("pictures").view<double>().data()[0] : 0.0;
  return {pictures >= 1.0 && pictures < 1e15 ? static_cast<std::int64_t>(pictures) : 0, to_vector(mean),
          to_vector(covariance)};
}

}  // namespace

void FeatureAccumulator::add(std::span<const float> features) {
  if (origin_.empty()) {
    origin_.assign(features.begin(), features.end());
    sum_.assign(features.size(), 0.0);
    products_.assign(features.size() * features.size(), 0.0);
  }
  SCALEKV_ASSERT(features.size() == origin_.size());
  for (std::size_t k = 0; k < features.size(); ++k) {
    pending_.push_back(features[k] - origin_[k]);
    sum_[k] += pending_.back();
  }
  ++pictures_;
  if (pending_.size() == kBlock * origin_.size()) flush();
}

void FeatureAccumulator::flush() {
  add_products(pending_, origin_.size(), products_);
  pending_.clear();
}

FeatureStatistics FeatureAccumulator::statistics() const {
  if (pictures_ < 2) fail("FID needs at least 2 pictures in each folder, not {}", pictures_);
  const std::size_t size = origin_.size();
  const auto count = static_cast<double>(pictures_);
  FeatureStatistics result{pictures_, std::vector<double>(size), products_};
  if (!pending_.empty()) add_products(pending_, size, result.covariance);
  for (std::size_t i = 0; i < size; ++i) {
    result.mean[i] = origin_[i] + sum_[i] / count;
    for (std::size_t j = 0; j <= i; ++j) {
      double& value = result.covariance[j * size + i];  // column j of the lower triangle
      value = (value - sum_[i] * sum_[j] / count) / (count - 1.0);
      result.covariance[i * size + j] = value;
    }
  }
  return result;
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b) {
  const std::size_t size = a.mean.size();
  if (size == 0 || b.mean.size() != size) {
    fail("statistics of {} and of {} features cannot be compared", size, b.mean.size());
  }
  double distance = 0.0;
  for (std::size_t i = 0; i < size; ++i) {
    const double difference = a.mean[i] - b.mean[i];
    distance += difference * difference + a.covariance[i * size + i] + b.covariance[i * size + i];
  }
  distance -= 2.0 * trace_of_root(a.covariance, b.covariance, size);
  return distance < 0.0 ? 0.0 : distance;  // where the Gaussians are the same, rounding leaves either sign
}

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

StoredFeatures read_features(const std::filesystem::path& path) {
  const Arrays arrays = formats::read_npz(path);
  StoredFeatures stored{.statistics = {}, .list = list_of(arrays, path)};
  const bool features_alone = stored.list.size > 0 && !arrays.contains("mu") && !arrays.contains("sigma");
  stored.statistics = features_alone ? statistics_of(stored.list) : statistics_of(arrays, path);
  if (stored.list.size > 0) stored.statistics.pictures = stored.list.pictures();
  return stored;
}

void write_features(const std::filesystem::path& path, const FeatureStatistics& statistics, const FeatureList& list) {
  const auto size = static_cast<std::int64_t>(statistics.mean.size());
  std::map<std::string, Tensor> arrays;
  arrays.emplace("mu", to_tensor(statistics.mean, {size}));
  arrays.emplace("sigma", to_tensor(statistics.covariance, {size, size}));
  if (statistics.pictures > 0) arrays.emplace("pictures", to_tensor({static_cast<double>(statistics.pictures)}, {1}));
  if (list.size > 0) {
    arrays.emplace("feats", to_tensor({list.values.begin(), list.values.end()}, {list.pictures(), list.size}));
  }
  formats::write_npz(path, arrays);
}

}  // namespace scalekv::study
