#include "study/lpips.h"

#include <cmath>

#include "base/error.h"
#include "kernels/pool.h"
#include "study/metrics.h"

namespace scalekv::study {
namespace {

struct Convolution {
  int index;  // in AlexNet's `features`
  std::int64_t in, out, kernel, stride, padding;
  bool pooled;  // max-pooled before it
};

constexpr std::array kAlexNet = {Convolution{0, 3, 64, 11, 4, 2, false}, Convolution{3, 64, 192, 5, 1, 2, true},
                                 Convolution{6, 192, 384, 3, 1, 1, true}, Convolution{8, 384, 256, 3, 1, 1, false},
                                 Convolution{10, 256, 256, 3, 1, 1, false}};
constexpr std::int64_t kLeastSide = 31;  // the second pool has a window then

// 0..255 -> what AlexNet was trained on: -1..1, less a mean, by a deviation.
Tensor network_input(const Image& image) {
  constexpr std::array<float, 3> kShift = {-0.030F, -0.088F, -0.188F};
  constexpr std::array<float, 3> kScale = {0.458F, 0.448F, 0.450F};
  Tensor input(DType::f32, {image.height, image.width, 3}, MemoryKind::activations);
  float* values = input.view<float>().data();
  for (std::size_t i = 0; i < image.rgb.size(); ++i) {
    const float unit = static_cast<float>(image.rgb[i]) / 255.0F;
    values[i] = (2.0F * unit - 1.0F - kShift[i % 3]) / kScale[i % 3];
  }
  return input;
}

// The length of a feature vector, never quite 0.
double norm(const float* values, std::int64_t count) {
  double sum = 0.0;
  for (std::int64_t k = 0; k < count; ++k) sum += static_cast<double>(values[k]) * values[k];
  return std::sqrt(sum) + 1e-10;
}

// The mean over all places of the weighted squared differences of unit vectors; a, b: [H, W, C].
double weighted_difference(View<const float> a, View<const float> b, const std::vector<float>& weights) {
  const std::int64_t channels = a.size(2);
  const std::int64_t places = a.size(0) * a.size(1);
  double sum = 0.0;
  for (std::int64_t place = 0; place < places; ++place) {
    const float* left = a.data() + place * channels;
    const float* right = b.data() + place * channels;
    const double left_scale = 1.0 / norm(left, channels);
    const double right_scale = 1.0 / norm(right, channels);
    for (std::int64_t k = 0; k < channels; ++k) {
      const double difference = left[k] * left_scale - right[k] * right_scale;
      sum += weights[static_cast<std::size_t>(k)] * difference * difference;
    }
  }
  return sum / static_cast<double>(places);
}

}  // namespace

Lpips::Lpips(formats::WeightMap& network, formats::WeightMap& heads) {
  for (const Convolution& conv : kAlexNet) {
    const std::string name = "features." + std::to_string(conv.index);
    const Tensor weight =
        network.take_float(name + ".weight", {conv.out, conv.in, conv.kernel, conv.kernel}, MemoryKind::other);
    const Tensor bias = network.take_float(name + ".bias", {conv.out}, MemoryKind::other);
    convs_.emplace_back(weight, bias,
                        kernels::ConvGeometry{conv.stride, conv.padding, conv.padding, conv.padding, conv.padding});
    const std::string head = "lin" + std::to_string(convs_.size() - 1) + ".model.1.weight";
    const Tensor linear = heads.take_float(head, {1, conv.out, 1, 1}, MemoryKind::other);
    const float* values = linear.view<float>().data();
    heads_[convs_.size() - 1].assign(values, values + conv.out);
  }
  network.ignore("classifier.");
}

std::array<Tensor, Lpips::kLayers> Lpips::feature_maps(const Image& image) const {
  std::array<Tensor, kLayers> maps;
  const Tensor input = network_input(image);
  View<const float> x = input.view<float>();
  Tensor pooled;
  for (std::size_t i = 0; i < kAlexNet.size(); ++i) {
    if (kAlexNet[i].pooled) {
      const auto size = [](std::int64_t side) { return (side - 3) / 2 + 1; };
      pooled = Tensor(DType::f32, {size(x.size(0)), size(x.size(1)), x.size(2)}, MemoryKind::activations);
      kernels::max_pool_3x3(x, 2, 0, pooled.view<float>());
      x = std::as_const(pooled).view<float>();
    }
    maps[i] = convs_[i].run(x);
    x = std::as_const(maps[i]).view<float>();
  }
  return maps;
}

double Lpips::distance(const Image& a, const Image& b) const {
  check_sizes(a, b);
  if (a.width < kLeastSide || a.height < kLeastSide) {
    fail("LPIPS needs pictures of at least {0}x{0} pixels, not {1}x{2}", kLeastSide, a.width, a.height);
  }
  const std::array<Tensor, kLayers> left = feature_maps(a);
  const std::array<Tensor, kLayers> right = feature_maps(b);
  double sum = 0.0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    sum += weighted_difference(left[i].view<float>(), right[i].view<float>(), heads_[i]);
  }
  return sum;
}

}  // namespace scalekv::study
