#include "eval/statistics_file.h"

#include <algorithm>
#include <cmath>

#include "checkpoint/npz.h"
#include "core/error.h"

namespace scalekv::eval {
namespace {

Tensor to_tensor(const std::vector<double>& values, const Shape& shape) {
  Tensor tensor(DType::f64, shape, MemoryKind::other);
  std::copy(values.begin(), values.end(), tensor.view<double>().data());
  return tensor;
}

std::vector<double> to_vector(const Tensor& tensor) {
  const double* values = tensor.view<double>().data();
  return {values, values + tensor.elements()};
}

}  // namespace

FeatureStatistics read_statistics(const std::filesystem::path& path) {
  const std::map<std::string, Tensor> arrays = checkpoint::read_npz(path);
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
  return {0, to_vector(mean), to_vector(covariance)};
}

void write_statistics(const std::filesystem::path& path, const FeatureStatistics& statistics) {
  const auto size = static_cast<std::int64_t>(statistics.mean.size());
  std::map<std::string, Tensor> arrays;
  arrays.emplace("mu", to_tensor(statistics.mean, {size}));
  arrays.emplace("sigma", to_tensor(statistics.covariance, {size, size}));
  checkpoint::write_npz(path, arrays);
}

}  // namespace scalekv::eval
