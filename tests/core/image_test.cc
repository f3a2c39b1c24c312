#include "core/image.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "core/error.h"
#include "core/file.h"

namespace scalekv {
namespace {

class ImageFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("scalekv_image_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Writes the bytes and says why they cannot be read as a picture.
  std::string why_not(const std::string& name, const std::string& bytes) {
    const std::filesystem::path path = folder_ / name;
    write_file(path, bytes);
    try {
      static_cast<void>(Image::read(path));
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_;
};

Image gradient(std::int64_t width, std::int64_t height) {
  Image image{.width = width, .height = height, .rgb = {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (const std::int64_t value : {x * 7, y * 5, x + y}) image.rgb.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

TEST_F(ImageFiles, PngComesBackWithItsText) {
  const Image image = gradient(37, 21);
  const std::map<std::string, std::string> text = {{"prompt", "a red ring \xE2\x80\x94 \xE6\x98\x9F"},
                                                   {"seed", "7"},
                                                   {"long", std::string(100000, 'x')},
                                                   {"none", ""}};
  image.write_png(folder_ / "a.png", text);
  EXPECT_EQ(Image::read(folder_ / "a.png"), image);
  EXPECT_EQ(read_png_text(folder_ / "a.png"), text);
  EXPECT_EQ(encode_png(image, text), encode_png(image, text));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(ImageFiles, JpegIsRead) {
  const Image image = Image::read(std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/images/gradient.jpg");
  ASSERT_EQ(image.width, 24);
  ASSERT_EQ(image.height, 16);
  EXPECT_NEAR(image.rgb[0], 200, 12);
  EXPECT_NEAR(image.rgb[2], 40, 12);
}

TEST_F(ImageFiles, DamagedFilesAreRefusedInOneSentence) {
  const std::vector<std::uint8_t> encoded = encode_png(gradient(64, 64));
  const std::string png(encoded.begin(), encoded.end());
  const std::string jpeg = read_file(std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/images/gradient.jpg");

  EXPECT_NE(why_not("empty", ""), "");
  EXPECT_NE(why_not("text", "P6 1 1 255\nabc"), "");
  for (std::size_t left = 0; left < png.size(); ++left) {
    EXPECT_NE(why_not("cut.png", png.substr(0, left)), "") << left;
  }
  EXPECT_EQ(why_not("more.png", png + "more"), "");
  EXPECT_NE(why_not("cut.jpg", jpeg.substr(0, jpeg.size() / 2)), "");
  EXPECT_NE(why_not("head.jpg", jpeg.substr(0, 4)), "");
  std::string flipped = png;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x55);
  EXPECT_NE(why_not("flipped.png", flipped), "");
  // Any prefix and any changed byte must be either read or refused.
  for (std::size_t i = 0; i < jpeg.size(); i += 3) {
    std::string other = jpeg;
    other[i] = static_cast<char>(other[i] ^ 0xff);
    static_cast<void>(why_not("other.jpg", other));
  }
}

TEST_F(ImageFiles, TooManyPixelsAreRefusedBeforeTheyAreMade) {
  // The header of a JPEG says 65500 x 65500.
  std::string jpeg = read_file(std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/images/gradient.jpg");
  const std::size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\xdc\xff\xdc");
  EXPECT_NE(why_not("large.jpg", jpeg).find("64 million"), std::string::npos);
}

TEST_F(ImageFiles, MissingAndUnwritablePathsAreNamed) {
  EXPECT_THROW(static_cast<void>(Image::read(folder_ / "none.png")), Error);
  EXPECT_THROW(static_cast<void>(Image::read(folder_)), Error);
  EXPECT_THROW(static_cast<void>(read_png_text(folder_ / "none.png")), Error);
  const std::filesystem::path target = folder_ / "no" / "such" / "folder.png";
  try {
    gradient(4, 4).write_png(target);
    FAIL() << "written to a folder that does not exist";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(target.string()), std::string::npos);
  }
}

TEST_F(ImageFiles, JpegComesBackAlmostTheSame) {
  Image image{.width = 37, .height = 21, .rgb = {}};
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      for (const std::int64_t value : {x * 6, y * 12, x + y}) image.rgb.push_back(static_cast<std::uint8_t>(value));
    }
  }
  const std::vector<std::uint8_t> bytes = encode_jpeg(image, 95, {.comment = "a red ring", .parameters = {}});
  EXPECT_EQ(encode_jpeg(image, 95, {.comment = "a red ring", .parameters = {}}), bytes);
  const std::string text(bytes.begin(), bytes.end());
  EXPECT_NE(text.find("a red ring"), std::string::npos);
  write_file(folder_ / "a.jpg", text);
  const Image again = Image::read(folder_ / "a.jpg");
  ASSERT_EQ(again.width, image.width);
  ASSERT_EQ(again.height, image.height);
  double squares = 0.0;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) {
    const int difference = image.rgb[i] - again.rgb[i];
    squares += difference * difference;
  }
  EXPECT_LT(std::sqrt(squares / static_cast<double>(image.rgb.size())), 4.0);  // of 255
  // A comment longer than a marker is cut, not refused.
  EXPECT_FALSE(
      encode_jpeg(image, 95, {.comment = std::string(100000, 'x'), .parameters = std::string(100000, 'y')}).empty());
}

}  // namespace
}  // namespace scalekv
