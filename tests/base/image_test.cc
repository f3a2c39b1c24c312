#include "base/image.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/file.h"

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

// A PNG and a WebP file whose headers claim more than any memory holds.
TEST_F(ImageFiles, BombsAreRefusedByTheirHeaders) {
  const std::vector<std::uint8_t> encoded = encode_png(gradient(16, 16));
  std::string png(encoded.begin(), encoded.end());
  png.replace(16, 8, std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8));
  png.replace(29, 4, std::string("\x9b\xab\x9c\x31", 4));  // the check sum
  EXPECT_EQ(why_not("large.png", png).find("damaged"), std::string::npos) << why_not("large.png", png);
  EXPECT_NE(why_not("large.png", png).find("2147483647x2147483647 pixels; at most 64 million"), std::string::npos);
  const std::string webp("RIFF\x18\0\0\0WEBPVP8L\x0c\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0\0\0\0", 32);
  EXPECT_NE(why_not("large.webp", webp).find("16384x16384 pixels; at most 64 million"), std::string::npos);
}

TEST_F(ImageFiles, OtherFormatsAreRefusedWithAdvice) {
  const std::map<std::string, std::string> begins = {
      {"GIF", "GIF89a\1\1"},
      {"BMP", "BM\1\1\1\1"},
      {"TIFF", std::string("II*\0\1\1", 6)},
      {"AVIF", std::string("\0\0\0 ftypavif", 12)},
      {"HEIC", std::string("\0\0\0 ftypheic", 12)},
      {"JPEG XL", "\xff\x0a\1"},
      {"SVG", "<svg xmlns="},
  };
  for (const auto& [name, begin] : begins) {
    const std::string said = why_not("picture.png", begin + std::string(100, 'x'));
    EXPECT_NE(said.find("is a " + name + " file"), std::string::npos) << said;
    EXPECT_NE(said.find("convert it to PNG"), std::string::npos) << said;
  }
  EXPECT_NE(why_not("page.png", "<html>").find("not a PNG, JPEG or WebP file"), std::string::npos);
  EXPECT_NE(why_not("empty.png", "").find("is empty"), std::string::npos);
  EXPECT_NE(why_not("sound.webp", std::string("RIFF\4\0\0\0WAVE", 12)).find("not a PNG"), std::string::npos);
}

TEST_F(ImageFiles, NamesSayTheFormat) {
  const std::map<std::string, std::string_view> begins = {{"a.png", "\x89PNG"},  {"a.PNG", "\x89PNG"},
                                                          {"a.jpg", "\xff\xd8"}, {"a.b.JPeG", "\xff\xd8"},
                                                          {"a.webp", "RIFF"},    {"a.WebP", "RIFF"}};
  for (const auto& [name, begin] : begins) {
    gradient(20, 10).write(folder_ / name);
    EXPECT_TRUE(read_file(folder_ / name).starts_with(begin)) << name;
    EXPECT_EQ(Image::read(folder_ / name).width, 20) << name;
  }
  for (const char* name : {"a", "a.gif", ".png", "a.png.txt", "png", "a.", "a.jpg "}) {
    EXPECT_THROW(gradient(4, 4).write(folder_ / name), UsageError) << name;
    EXPECT_FALSE(std::filesystem::exists(folder_ / name)) << name;
  }
}

TEST_F(ImageFiles, QualityActsOrIsRefused) {
  const Image image = gradient(64, 48);
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::webp}) {
    const std::size_t least = image.encode(format, {}, {.quality = 1}).size();
    const std::size_t middle = image.encode(format, {}, {.quality = 60}).size();
    const std::size_t most = image.encode(format, {}, {.quality = 100}).size();
    EXPECT_LT(least, middle);
    EXPECT_LT(middle, most);
    EXPECT_EQ(image.encode(format), image.encode(format, {}, {.quality = format == ImageFormat::jpeg ? 95 : 90}));
    for (const int quality : {-1, 101}) {
      EXPECT_THROW(static_cast<void>(image.encode(format, {}, {.quality = quality})), UsageError);
    }
  }
  EXPECT_THROW(static_cast<void>(image.encode(ImageFormat::png, {}, {.quality = 95})), UsageError);
}

// What is written beside the pixels changes none of them; JPEG holds our entries as JSON, and the one that viewers
// read.
TEST_F(ImageFiles, TextGoesWithEveryFormat) {
  const Image image = gradient(24, 16);
  const std::map<std::string, std::string> text = {{"parameters", "a ring\nSteps: 7"}, {"name", "caf\xe9.png"}};
  const std::string utf16("\0S\0t\0e\0p\0s\0:\0 \0007", 16);
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::webp}) {
    const std::vector<std::uint8_t> with = image.encode(format, text), without = image.encode(format);
    const std::string file(with.begin(), with.end());
    EXPECT_NE(file.find(utf16), std::string::npos);
    EXPECT_EQ(file.find(R"({"name":"caf)") != std::string::npos, format == ImageFormat::jpeg);
    EXPECT_EQ(Image::decode(file, "with"), Image::decode(std::string(without.begin(), without.end()), "without"));
  }
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
