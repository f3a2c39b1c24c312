#include "study/statistics_file.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "formats/npz.h"

namespace scalekv::study {
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
