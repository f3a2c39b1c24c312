#include "study/feature_statistics.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <Eigen/Eigenvalues>
#include <cmath>

#include "base/error.h"
#include "runtime/philox.h"

namespace scalekv::study {
namespace {

std::vector<float> normals(std::uint32_t picture, std::size_t size) {
  std::vector<float> values;
  for (std::uint32_t k = 0; k < size; ++k) values.push_back(normal(3, {picture, k, 0, 0}) * static_cast<float>(k + 1));
  return values;
}

FeatureStatistics gaussian(const std::vector<double>& mean, const std::vector<double>& variances) {
  const std::size_t size = mean.size();
  FeatureStatistics statistics{0, mean, std::vector<double>(size * size, 0.0)};
  for (std::size_t i = 0; i < size; ++i) statistics.covariance[i * size + i] = variances[i];
  return statistics;
}

TEST(FrechetDistance, ClosedForms) {
  // Commuting covariances: the sum of (m1 - m2)^2 + (s1 - s2)^2.
  EXPECT_NEAR(frechet_distance(gaussian({1, 2, 3}, {4, 9, 1}), gaussian({0, 2, 5}, {1, 9, 16})), 1 + 4 + 1 + 9, 1e-12);
  EXPECT_NEAR(frechet_distance(gaussian({0, 0}, {0, 0}), gaussian({3, 4}, {0, 0})), 25, 1e-12);
  EXPECT_NEAR(frechet_distance(gaussian({0, 0}, {1, 0}), gaussian({0, 0}, {0, 1})), 2, 1e-12);
  EXPECT_THROW(static_cast<void>(frechet_distance(gaussian({0}, {1}), gaussian({0, 0}, {1, 1}))), Error);
  EXPECT_THROW(static_cast<void>(frechet_distance(gaussian({0}, {-1}), gaussian({0}, {1}))), Error);
}

TEST(FrechetDistance, AgreesWithEigenvaluesOfTheSymmetricProduct) {
  FeatureAccumulator first, second;
  constexpr Eigen::Index kSize = 12;
  for (std::uint32_t i = 0; i < 40; ++i) {
    first.add(normals(i, kSize));
    std::vector<float> other = normals(100 + i, kSize);
    for (std::size_t k = 1; k < other.size(); ++k) other[k] += 0.5F * other[k - 1] + 1.0F;
    second.add(other);
  }
  const FeatureStatistics a = first.statistics(), b = second.statistics();
  const Eigen::Map<const Eigen::MatrixXd> s1(a.covariance.data(), kSize, kSize), s2(b.covariance.data(), kSize, kSize);
  const Eigen::MatrixXd root = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(s1).operatorSqrt();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> product(root * s2 * root);
  double expected = s1.trace() + s2.trace() - 2.0 * product.eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
  for (std::size_t k = 0; k < a.mean.size(); ++k) expected += (a.mean[k] - b.mean[k]) * (a.mean[k] - b.mean[k]);
  EXPECT_NEAR(frechet_distance(a, b), expected, 1e-9 * expected);
  EXPECT_LE(frechet_distance(a, a), 1e-9);
  EXPECT_GE(frechet_distance(a, a), 0.0);
}

TEST(FeatureAccumulator, IsTheSampleCovariance) {
  FeatureAccumulator accumulator;
  constexpr std::size_t kPictures = 77, kSize = 5;
  std::vector<std::vector<float>> all;
  for (std::uint32_t i = 0; i < kPictures; ++i) {
    all.push_back(normals(i, kSize));
    for (float& value : all.back()) value += 1000.0F;  // a large mean must not eat the variance
    accumulator.add(all.back());
  }
  const FeatureStatistics statistics = accumulator.statistics();
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) {
      double mean_i = 0.0, mean_j = 0.0, covariance = 0.0;
      for (const auto& one : all) mean_i += one[i] / double{kPictures}, mean_j += one[j] / double{kPictures};
      for (const auto& one : all) covariance += (one[i] - mean_i) * (one[j] - mean_j) / (kPictures - 1.0);
      EXPECT_NEAR(statistics.covariance[i * kSize + j], covariance, 1e-9);
      EXPECT_NEAR(statistics.mean[i], mean_i, 1e-9);
    }
  }
  EXPECT_THROW(FeatureAccumulator().statistics(), Error);
}

TEST(FeatureAccumulator, MemoryDoesNotGrowWithThePictures) {
  FeatureAccumulator accumulator;
  constexpr std::size_t kSize = 64;
  const std::vector<float> features = normals(0, kSize);
  const auto add = [&](int pictures) {
    for (int i = 0; i < pictures; ++i) accumulator.add(features);
    return ::mallinfo2().uordblks;
  };
  const std::size_t few = add(100);
  EXPECT_LE(add(20'000), few + std::size_t{64} * 1024);
}

}  // namespace
}  // namespace scalekv::study
