#include "study/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "study/inception.h"

namespace scalekv::study {
namespace {

double support_of(ResizeFilter filter) { return filter == ResizeFilter::bicubic ? 2.0 : 1.0; }

double filter_value(ResizeFilter filter, double x) {
  x = std::abs(x);
  if (filter == ResizeFilter::bilinear) return std::max(0.0, 1.0 - x);
  constexpr double kA = -0.5;
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

// The input cells that make one output cell.
struct Taps {
  std::int64_t begin;
  std::vector<double> weights;  // their sum is 1
};

std::vector<Taps> make_taps(std::int64_t in, std::int64_t out, ResizeFilter filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = support_of(filter) * stretch;
  std::vector<Taps> taps;
  for (std::int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const std::int64_t begin = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(centre - support + 0.5)));
    const std::int64_t end = std::min(in, static_cast<std::int64_t>(std::floor(centre + support + 0.5)));
    Taps tap{begin, {}};
    double sum = 0.0;
    for (std::int64_t j = begin; j < end; ++j) {
      tap.weights.push_back(filter_value(filter, (static_cast<double>(j) - centre + 0.5) / stretch));
      sum += tap.weights.back();
    }
    for (double& weight : tap.weights) weight /= sum;
    taps.push_back(std::move(tap));
  }
  return taps;
}

}  // namespace

Tensor resize(const Image& image, std::int64_t height, std::int64_t width, ResizeFilter filter) {
  constexpr std::int64_t kChannels = 3;
  const std::vector<Taps> columns = make_taps(image.width, width, filter);
  const std::vector<Taps> rows = make_taps(image.height, height, filter);
  Tensor narrow(DType::f32, {image.height, width, kChannels}, MemoryKind::activations);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const Taps& taps = columns[static_cast<std::size_t>(x)];
      const std::uint8_t* source = image.rgb.data() + (y * image.width + taps.begin) * kChannels;
      double sums[kChannels] = {};
      for (const double weight : taps.weights) {
        for (double& sum : sums) sum += weight * *source++;
      }
      for (std::int64_t c = 0; c < kChannels; ++c) narrow.view<float>()(y, x, c) = static_cast<float>(sums[c]);
    }
  }
  Tensor resized(DType::f32, {height, width, kChannels}, MemoryKind::activations);
  std::vector<double> sums(static_cast<std::size_t>(width * kChannels));
  for (std::int64_t y = 0; y < height; ++y) {
    const Taps& taps = rows[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 0.0);
    const float* source = narrow.view<float>().at(taps.begin, 0, 0);
    for (const double weight : taps.weights) {
      for (double& sum : sums) sum += weight * *source++;
    }
    std::transform(sums.begin(), sums.end(), resized.view<float>().at(y, 0, 0),
                   [](double sum) { return static_cast<float>(sum); });
  }
  return resized;
}

Tensor inception_input(const Image& image) {
  Tensor input = resize(image, Inception::kSide, Inception::kSide, ResizeFilter::bicubic);
  float* values = input.view<float>().data();
  for (std::int64_t i = 0; i < input.elements(); ++i) values[i] = std::clamp(values[i], 0.0F, 255.0F);
  return input;
}

Image resize_photograph(const Image& image, std::int64_t height, std::int64_t width) {
  const Tensor values = resize(image, height, width, ResizeFilter::bilinear);
  Image resized{.width = width, .height = height, .rgb = {}};
  for (std::int64_t i = 0; i < values.elements(); ++i) {
    resized.rgb.push_back(static_cast<std::uint8_t>(std::nearbyint(values.view<float>().data()[i])));
  }
  return resized;
}

}  // namespace scalekv::study
