#include "study/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace scalekv::study {
namespace {

Image flat(std::int64_t width, std::int64_t height, std::uint8_t value) {
  return {.width = width,
          .height = height,
          .rgb = std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3), value)};
}

Image picture(const char* name) {
  return Image::read(std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/shapes" / name);
}

TEST(Metrics, Psnr) {
  EXPECT_TRUE(std::isinf(psnr(flat(8, 4, 9), flat(8, 4, 9))));
  EXPECT_NEAR(psnr(flat(8, 4, 0), flat(8, 4, 255)), 0.0, 1e-12);
  EXPECT_NEAR(psnr(flat(8, 4, 10), flat(8, 4, 20)), 20.0 * std::log10(25.5), 1e-9);
  EXPECT_THROW(static_cast<void>(psnr(flat(8, 4, 0), flat(4, 8, 0))), Error);
}

// Expected figures: NumPy, the same definition.
TEST(Metrics, AgreeWithNumpyOnPictures) {
  const Image a = picture("00.png");
  const Image b = picture("01.png");
  EXPECT_NEAR(psnr(a, b), 13.800261377826804, 1e-6);
  EXPECT_NEAR(ssim(a, b), 0.7522838888916734, 1e-9);
}

TEST(Metrics, Ssim) {
  EXPECT_NEAR(ssim(flat(16, 12, 77), flat(16, 12, 77)), 1.0, 1e-12);
  EXPECT_NEAR(ssim(picture("02.png"), picture("02.png")), 1.0, 1e-12);
  EXPECT_THROW(static_cast<void>(ssim(flat(10, 20, 0), flat(10, 20, 0))), Error);
}

TEST(Metrics, DifferenceImageAmplifies) {
  const Image difference = difference_image(flat(4, 4, 10), flat(4, 4, 20));
  EXPECT_EQ(difference.rgb[0], 40);
  EXPECT_EQ(difference_image(flat(4, 4, 0), flat(4, 4, 255)).rgb[5], 255);
}

}  // namespace
}  // namespace scalekv::study
