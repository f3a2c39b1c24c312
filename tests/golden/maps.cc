#include "golden/maps.h"

#include <algorithm>

#include "base/error.h"
#include "engine/run.h"

namespace scalekv::golden {
namespace {

// Sizes of a fixture's map: channels first, rows and columns last.
struct MapShape {
  std::int64_t images, channels, height, width;

  explicit MapShape(const Shape& shape)
      : images(shape[0]), channels(shape[1]), height(shape[shape.rank() - 2]), width(shape[shape.rank() - 1]) {
    if (shape.rank() < 4) fail("a map of shape {} is not [B, C, H, W]", shape.to_string());
  }
};

}  // namespace

std::vector<Tensor> channels_last(const Numbers& numbers) {
  const MapShape shape(numbers.shape);
  std::vector<Tensor> maps;
  const float* value = numbers.values.data();
  for (std::int64_t image = 0; image < shape.images; ++image) {
    Tensor map(DType::f32, {shape.height, shape.width, shape.channels}, MemoryKind::other);
    const View<float> view = map.view<float>();
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      for (std::int64_t y = 0; y < shape.height; ++y) {
        for (std::int64_t x = 0; x < shape.width; ++x) view(y, x, c) = *value++;
      }
    }
    maps.push_back(std::move(map));
  }
  return maps;
}

std::vector<Tensor> split_bits(const Integers& bits) {
  const int rank = bits.shape.rank();
  const Shape each{bits.shape[rank - 3], bits.shape[rank - 2], bits.shape[rank - 1]};
  std::vector<Tensor> maps;
  const std::int64_t* value = bits.values.data();
  for (std::int64_t image = 0; image < bits.shape[0]; ++image) {
    Tensor map(DType::u8, each, MemoryKind::other);
    for (std::int64_t i = 0; i < each.elements(); ++i) {
      map.view<std::uint8_t>().data()[i] = static_cast<std::uint8_t>(*value++);
    }
    maps.push_back(std::move(map));
  }
  return maps;
}

std::int64_t stride_between(std::int64_t height, std::int64_t width, std::int64_t stored_height,
                            std::int64_t stored_width) {
  for (std::int64_t stride = 1; stride <= std::max(height, width); ++stride) {
    if ((height + stride - 1) / stride == stored_height && (width + stride - 1) / stride == stored_width) return stride;
  }
  return 0;
}

void MapCollector::add(const std::string& name, std::int64_t image, View<const float> map) {
  if (!fixture_.has(name)) return;
  const MapShape stored(fixture_.shape(name));
  const std::int64_t stride = stride_between(map.size(0), map.size(1), stored.height, stored.width);
  if (stride == 0 || stored.channels != map.size(2) || image >= stored.images) {
    fail("{} has shape {}, image {} of the engine has {}", name, fixture_.shape(name).to_string(), image,
         map.shape().to_string());
  }
  std::vector<float>& values = gathered_[name];
  for (std::int64_t c = 0; c < stored.channels; ++c) {
    for (std::int64_t y = 0; y < stored.height; ++y) {
      for (std::int64_t x = 0; x < stored.width; ++x) values.push_back(map(y * stride, x * stride, c));
    }
  }
}

void MapCollector::finish() {
  for (const auto& [name, values] : gathered_) report_.compare(name, fixture_.numbers(name).values, values);
  gathered_.clear();
}

std::vector<std::int64_t> join_bits(const std::vector<const Tensor*>& maps) {
  std::vector<std::int64_t> joined;
  for (const Tensor* map : maps) {
    const View<const std::uint8_t> bits = map->view<std::uint8_t>();
    joined.insert(joined.end(), bits.data(), bits.data() + bits.elements());
  }
  return joined;
}

Pixels to_pixels(const std::vector<Tensor>& maps, const Shape& stored, bool blue_first) {
  Pixels pixels;
  for (const Tensor& map : maps) {
    const View<const float> view = map.view<float>();
    const Image image = engine::to_image(view);
    const std::int64_t stride = stride_between(image.height, image.width, stored[1], stored[2]);
    if (stride == 0) fail("pictures of {}x{} are not of shape {}", image.width, image.height, stored.to_string());
    for (std::int64_t y = 0; y < stored[1]; ++y) {
      for (std::int64_t x = 0; x < stored[2]; ++x) {
        const std::uint8_t* pixel = image.rgb.data() + (y * stride * image.width + x * stride) * 3;
        for (int c = 0; c < 3; ++c) {
          const int channel = blue_first ? 2 - c : c;
          const double clamped = std::clamp(view(y * stride, x * stride, channel), -1.0F, 1.0F);
          pixels.values.push_back(pixel[channel]);
          pixels.exact.push_back((clamped + 1.0) / 2.0 * 255.0);
        }
      }
    }
  }
  return pixels;
}

}  // namespace scalekv::golden
