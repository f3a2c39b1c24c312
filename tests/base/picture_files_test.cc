// Picture files of every kind, against what Pillow makes of them (tools/fixtures/picture_fixtures.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/error.h"
#include "base/file.h"
#include "base/image.h"

namespace scalekv {
namespace {

const std::filesystem::path kPictures = std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/pictures";

struct PictureFile {
  std::string file;
  double psnr = 0.0;  // of the file and reference.png
  std::size_t at = 0, upright_at = 0;
  std::int64_t upright_width = 0;  // 0: it is not turned

  friend void PrintTo(const PictureFile& picture, std::ostream* out) { *out << picture.file; }
};

std::vector<PictureFile> list_files() {
  std::vector<PictureFile> files;
  for (const nlohmann::json& row : nlohmann::json::parse(read_file(kPictures / "pictures.json"))) {
    files.push_back({row["file"], row["psnr"], row["at"], row.value("upright_at", std::size_t{0}),
                     row.value("upright_width", std::int64_t{0})});
  }
  return files;
}

class PictureFiles : public ::testing::TestWithParam<PictureFile> {
 protected:
  static constexpr std::int64_t kWidth = 19, kHeight = 17;

  // The largest difference from Pillow's pixels. JPEG and lossy WebP may differ by 1 where another version of a library
  // made the pictures; all else may not.
  static void expect_pixels(const Image& image, std::size_t at) {
    static const std::string all = read_file(kPictures / "expected.rgb");
    const std::string& file = GetParam().file;
    const bool exact = !file.ends_with(".jpg") && file.find("jpeg") == std::string::npos &&
                       !file.starts_with("lossy") && file != "webp-named.png";
    ASSERT_EQ(image.rgb.size(), static_cast<std::size_t>(kWidth * kHeight * 3));
    int largest = 0;
    for (std::size_t i = 0; i < image.rgb.size(); ++i) {
      largest = std::max(largest, std::abs(image.rgb[i] - static_cast<std::uint8_t>(all.at(at + i))));
    }
    EXPECT_LE(largest, exact ? 0 : 1);
    ::testing::Test::RecordProperty("largest", largest);
  }
};

TEST_P(PictureFiles, HavePillowsPixels) {
  const Image image = Image::read(kPictures / GetParam().file);
  EXPECT_EQ(image.width, kWidth);
  EXPECT_EQ(image.height, kHeight);
  expect_pixels(image, GetParam().at);
}

TEST_P(PictureFiles, AreTurnedUprightAsPillowDoes) {
  const PictureFile& file = GetParam();
  const Image image = Image::read(kPictures / file.file, Orientation::upright);
  EXPECT_EQ(image.width, file.upright_width == 0 ? kWidth : file.upright_width);
  expect_pixels(image, file.upright_width == 0 ? file.at : file.upright_at);
}

// Cut anywhere, a file is refused by name. A WebP file's padding byte and what follows a JPEG's end are no loss.
TEST_P(PictureFiles, CutShortAreRefused) {
  const std::string bytes = read_file(kPictures / GetParam().file);
  std::string name = GetParam().file;
  const bool spare = name.starts_with("trailing") || name.starts_with("two-pictures");
  for (std::size_t left = 0; left + (spare ? bytes.size() / 2 : 2) < bytes.size(); ++left) {
    try {
      static_cast<void>(Image::decode(std::string_view(bytes).substr(0, left), name));
      FAIL() << left << " of " << bytes.size() << " bytes were read as a picture";
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find(name + " "), 0U) << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PictureFiles, ::testing::ValuesIn(list_files()), [](const auto& info) {
  std::string name = info.param.file;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace scalekv
