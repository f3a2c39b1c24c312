#include "engine/run.h"

#include <gtest/gtest.h>

#include <vector>

namespace scalekv::engine {
namespace {

// (x + 1) / 2 * 255, cut off: 0 is 127.5, 0.5 is 191.25, 0.9999 is 254.98.
TEST(Pixels, AreCutToWholeSteps) {
  const std::vector<float> values = {-2.0F, -1.0F, -0.9999F, 0.0F, 0.5F, 0.9999F, 1.0F, 1.5F, 1e30F};
  const Image image = to_image(View<const float>(values.data(), {1, 3, 3}));
  EXPECT_EQ(image.rgb, (std::vector<std::uint8_t>{0, 0, 0, 127, 191, 254, 255, 255, 255}));
}

// A wide picture loses as much on the left as on the right, a tall one above as below.
TEST(Pixels, TheMiddleOfAPictureStays) {
  Image wide{.width = 6, .height = 2, .rgb = {}}, tall{.width = 2, .height = 6, .rgb = {}};
  for (int i = 0; i < 12; ++i) {
    const int column = i % 6, row = i / 2;
    wide.rgb.insert(wide.rgb.end(), 3, static_cast<std::uint8_t>(column == 2 || column == 3 ? 255 : 0));
    tall.rgb.insert(tall.rgb.end(), 3, static_cast<std::uint8_t>(row == 2 || row == 3 ? 255 : 0));
  }
  for (const Image& image : {wide, tall}) {
    const Tensor pixels = to_pixels(image, 2, 2);
    const float* values = pixels.view<float>().data();
    EXPECT_EQ(std::vector(values, values + 12), std::vector<float>(12, 1.0F));
  }
}

}  // namespace
}  // namespace scalekv::engine
