#include "study/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include "base/error.h"

namespace scalekv::study {
namespace {

constexpr int kWindow = 11;
constexpr int kMiddle = kWindow / 2;

std::array<double, kWindow> gaussian_weights() {
  constexpr double kSigma = 1.5;
  std::array<double, kWindow> weights{};
  double sum = 0.0;
  for (int i = 0; i < kWindow; ++i) {
    const double distance = i - kMiddle;
    weights[static_cast<std::size_t>(i)] = std::exp(-distance * distance / (2.0 * kSigma * kSigma));
    sum += weights[static_cast<std::size_t>(i)];
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// One plane of numbers.
struct Plane {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<double> values;

  double at(std::int64_t y, std::int64_t x) const { return values[static_cast<std::size_t>(y * width + x)]; }
};

// The Gaussian mean around every place where the window fits: [height - 10, width - 10].
Plane smooth(const Plane& plane) {
  static const std::array<double, kWindow> kWeights = gaussian_weights();
  Plane rows{plane.width - kWindow + 1, plane.height, {}};
  for (std::int64_t y = 0; y < rows.height; ++y) {
    for (std::int64_t x = 0; x < rows.width; ++x) {
      double sum = 0.0;
      for (int i = 0; i < kWindow; ++i) sum += kWeights[static_cast<std::size_t>(i)] * plane.at(y, x + i);
      rows.values.push_back(sum);
    }
  }
  Plane both{rows.width, rows.height - kWindow + 1, {}};
  for (std::int64_t y = 0; y < both.height; ++y) {
    for (std::int64_t x = 0; x < both.width; ++x) {
      double sum = 0.0;
      for (int i = 0; i < kWindow; ++i) sum += kWeights[static_cast<std::size_t>(i)] * rows.at(y + i, x);
      both.values.push_back(sum);
    }
  }
  return both;
}

// The picture with a border of half a window, in which it is mirrored about its outermost pixels.
Image with_border(const Image& image) {
  Image bordered{.width = image.width + 2 * kMiddle, .height = image.height + 2 * kMiddle, .rgb = {}};
  const auto mirrored = [](std::int64_t at, std::int64_t size) {
    return at < 0 ? -at : at < size ? at : 2 * (size - 1) - at;
  };
  for (std::int64_t y = -kMiddle; y < image.height + kMiddle; ++y) {
    for (std::int64_t x = -kMiddle; x < image.width + kMiddle; ++x) {
      const std::int64_t pixel = mirrored(y, image.height) * image.width + mirrored(x, image.width);
      const auto source = image.rgb.begin() + 3 * pixel;
      bordered.rgb.insert(bordered.rgb.end(), source, source + 3);
    }
  }
  return bordered;
}

// The product of two channels, or the first alone.
Plane channel_plane(const Image& a, std::size_t channel, const Image* b) {
  Plane plane{a.width, a.height, {}};
  for (std::size_t i = channel; i < a.rgb.size(); i += 3) {
    plane.values.push_back(b == nullptr ? a.rgb[i] : static_cast<double>(a.rgb[i]) * b->rgb[i]);
  }
  return plane;
}

}  // namespace

void check_sizes(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) {
    fail("pictures of {}x{} and {}x{} cannot be compared", a.width, a.height, b.width, b.height);
  }
}

double ssim(const Image& first, const Image& second) {
  check_sizes(first, second);
  if (first.width < kWindow || first.height < kWindow) {
    fail("SSIM needs pictures of at least {0}x{0} pixels, not {1}x{2}", kWindow, first.width, first.height);
  }
  const Image a = with_border(first);
  const Image b = with_border(second);
  constexpr double kC1 = (0.01 * 255.0) * (0.01 * 255.0);
  constexpr double kC2 = (0.03 * 255.0) * (0.03 * 255.0);
  double sum = 0.0;
  std::size_t count = 0;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const Plane mean_a = smooth(channel_plane(a, channel, nullptr));
    const Plane mean_b = smooth(channel_plane(b, channel, nullptr));
    const Plane square_a = smooth(channel_plane(a, channel, &a));
    const Plane square_b = smooth(channel_plane(b, channel, &b));
    const Plane product = smooth(channel_plane(a, channel, &b));
    for (std::size_t i = 0; i < mean_a.values.size(); ++i) {
      const double ma = mean_a.values[i];
      const double mb = mean_b.values[i];
      const double variance_a = square_a.values[i] - ma * ma;
      const double variance_b = square_b.values[i] - mb * mb;
      const double covariance = product.values[i] - ma * mb;
      sum += (2.0 * ma * mb + kC1) * (2.0 * covariance + kC2) /
             ((ma * ma + mb * mb + kC1) * (variance_a + variance_b + kC2));
    }
    count += mean_a.values.size();
  }
  return sum / static_cast<double>(count);
}

double psnr(const Image& a, const Image& b) {
  check_sizes(a, b);
  double squares = 0.0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    const double difference = (static_cast<double>(a.rgb[i]) - b.rgb[i]) / 255.0;
    squares += difference * difference;
  }
  if (squares == 0.0) return std::numeric_limits<double>::infinity();
  return -10.0 * std::log10(squares / static_cast<double>(a.rgb.size()));
}

Image difference_image(const Image& a, const Image& b) {
  check_sizes(a, b);
  constexpr int kAmplified = 4;
  Image difference = a;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    difference.rgb[i] = static_cast<std::uint8_t>(std::min(255, kAmplified * std::abs(int{a.rgb[i]} - int{b.rgb[i]})));
  }
  return difference;
}

}  // namespace scalekv::study
