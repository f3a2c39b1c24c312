#include "engine/pixels.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/resample.h"

namespace scalekv::engine {

Image to_image(View<const float> pixels) {
  Image image{.width = pixels.size(1), .height = pixels.size(0), .rgb = {}};
  image.rgb.reserve(static_cast<std::size_t>(pixels.elements()));
  for (std::int64_t i = 0; i < pixels.elements(); ++i) {
    const float clamped = std::clamp(pixels.data()[i], -1.0F, 1.0F);
    image.rgb.push_back(static_cast<std::uint8_t>((clamped + 1.0F) / 2.0F * 255.0F));
  }
  return image;
}

Tensor to_pixels(const Image& image, std::int64_t height, std::int64_t width) {
  if (image.width < 1 || image.height < 1) fail("the picture has no pixels");
  // The largest centred part of the target's aspect.
  const std::int64_t cut_width = std::clamp<std::int64_t>(image.height * width / height, 1, image.width);
  const std::int64_t cut_height = std::clamp<std::int64_t>(image.width * height / width, 1, image.height);
  const std::int64_t left = (image.width - cut_width) / 2;
  const std::int64_t top = (image.height - cut_height) / 2;
  Tensor cut(DType::f32, {cut_height, cut_width, 3}, MemoryKind::vae);
  const View<float> source = cut.view<float>();
  for (std::int64_t y = 0; y < cut_height; ++y) {
    for (std::int64_t x = 0; x < cut_width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const auto byte = image.rgb[static_cast<std::size_t>(((top + y) * image.width + left + x) * 3 + c)];
        const float unit = static_cast<float>(byte) / 255.0F;
        source(y, x, c) = unit + unit - 1.0F;
      }
    }
  }
  if (cut_height == height && cut_width == width) return cut;
  Tensor resized(DType::f32, {height, width, 3}, MemoryKind::vae);
  const bool shrinks = cut_height >= height && cut_width >= width;
  shrinks ? kernels::resample_area(source, resized.view<float>())
          : kernels::resample_linear(source, resized.view<float>());
  return resized;
}

}  // namespace scalekv::engine
