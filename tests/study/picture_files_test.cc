// What metrics see of picture files and folders, against Pillow and numpy (tools/fixtures/picture_fixtures.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "study/folder_metrics.h"
#include "study/metrics.h"

namespace scalekv::study {
namespace {

const std::filesystem::path kPictures = std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/pictures";

TEST(PictureFiles, HaveThePsnrThatPillowAndNumpyFind) {
  const Image reference = Image::read(kPictures / "reference.png");
  const nlohmann::json table = nlohmann::json::parse(read_file(kPictures / "pictures.json"));
  ASSERT_GE(table.size(), 100U);
  for (const nlohmann::json& row : table) {
    const std::string file = row["file"];
    EXPECT_NEAR(psnr(Image::read(kPictures / file), reference), row["psnr"].get<double>(), 1e-4) << file;
  }
}

class PictureFolders : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }

  void put(const std::string& name, const std::string& bytes = "no picture") const {
    std::filesystem::create_directories((root_ / name).parent_path());
    write_file(root_ / name, bytes);
  }

  std::filesystem::path root_ = std::filesystem::temp_directory_path() / fmt::format("scalekv-folders-{}", ::getpid());
};

TEST_F(PictureFolders, WhatSystemsLeaveBehindIsPassedOver) {
  for (const char* name : {"a/0.png", "a/1.JPG", "a/2.jpeg", "a/3.WebP", "a/deep/4.png"}) put(name);
  for (const char* name : {"a/._0.png", "a/.5.png", "a/.hidden/6.png", "a/__MACOSX/0.png", "a/deep/__MACOSX/._4.png",
                           "a/.DS_Store", "a/Thumbs.db", "a/desktop.ini", "a/notes.txt", "a/7.gif"}) {
    put(name);
  }
  const std::vector<std::filesystem::path> expected = {root_ / "a/0.png", root_ / "a/1.JPG", root_ / "a/2.jpeg",
                                                       root_ / "a/3.WebP", root_ / "a/deep/4.png"};
  EXPECT_EQ(list_pictures(root_ / "a"), expected);
}

// Partners may have other endings, and a folder that is hidden itself is read.
TEST_F(PictureFolders, PartnersAreToldByTheirNames) {
  put("a/0.png"), put("a/1.jpg"), put(".b/0.webp"), put(".b/1.PNG"), put(".b/._2.png");
  EXPECT_EQ(pair_pictures(root_ / "a", root_ / ".b").size(), 2U);
}

TEST_F(PictureFolders, AFolderOfHiddenPicturesHoldsNone) {
  put("a/._0.png");
  EXPECT_THROW(list_pictures(root_ / "a"), Error);
}

}  // namespace
}  // namespace scalekv::study
