#include "dataset/grid.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace scalekv::dataset {

Image as_grid(std::vector<Image> images) {
  if (images.size() == 1) return std::move(images.front());
  SCALEKV_ASSERT(images.size() == 4);
  const std::int64_t width = images.front().width;
  const std::int64_t height = images.front().height;
  Image grid{.width = 2 * width, .height = 2 * height, .rgb = {}};
  grid.rgb.reserve(static_cast<std::size_t>(grid.width * grid.height * 3));
  for (std::int64_t y = 0; y < grid.height; ++y) {
    for (const std::size_t column : {0U, 1U}) {
      const Image& image = images[(y < height ? 0U : 2U) + column];
      SCALEKV_ASSERT(image.width == width && image.height == height);
      const auto row = image.rgb.begin() + y % height * width * 3;
      std::copy_n(row, width * 3, std::back_inserter(grid.rgb));
    }
  }
  return grid;
}

}  // namespace scalekv::dataset
