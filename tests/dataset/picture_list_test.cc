// The layouts as docs/DATASETS.md describes them.
#include "dataset/picture_list.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace scalekv::dataset {
namespace {

using Files = std::vector<std::string>;
using Seeds = std::vector<std::uint64_t>;

Files files(const PictureList& all) {
  Files names;
  for (const Picture& picture : all.pictures) names.push_back(picture.file);
  return names;
}

TEST(PictureList, CocoIsNumberedWithFourDigitsAndSeededByIndex) {
  const PictureList all = list_pictures({Layout::coco, {{.text = "a"}, {.text = "b"}}}, {.seed = 7});
  EXPECT_EQ(files(all), (Files{"0000.png", "0001.png"}));
  EXPECT_EQ(all.pictures[1].prompt, "b");
  EXPECT_EQ(all.pictures[1].seeds, Seeds{8});
  EXPECT_TRUE(all.texts.empty());
}

// Behind the largest seed there is none.
TEST(PictureList, SeedsDoNotBeginAnew) {
  const PromptList list{Layout::list, {{.text = "a"}, {.text = "b"}}};
  const std::uint64_t largest = ~std::uint64_t{0};
  EXPECT_EQ(list_pictures(list, {.seed = largest - 1}).pictures[1].seeds, Seeds{largest});
  EXPECT_THROW(static_cast<void>(list_pictures(list, {.seed = largest})), UsageError);
  EXPECT_THROW(static_cast<void>(list_pictures(list, {.seed = largest - 1, .images_per_prompt = 2})), UsageError);
}

TEST(PictureList, ListsAreNumberedWithFiveDigits) {
  const PromptList list{Layout::list, {{.text = "a"}, {.text = "b"}}};
  EXPECT_EQ(files(list_pictures(list, {})), (Files{"00000.png", "00001.png"}));
  const PictureList two = list_pictures(list, {.images_per_prompt = 2});
  EXPECT_EQ(files(two), (Files{"00000-0.png", "00000-1.png", "00001-0.png", "00001-1.png"}));
  EXPECT_EQ(two.pictures[3].seeds, Seeds{3});
}

TEST(PictureList, GenEvalHasAFolderForEachPrompt) {
  const PictureList all =
      list_pictures({Layout::geneval, {{.text = "a", .metadata = "{1}"}, {.text = "b", .metadata = "{2}"}}}, {});
  EXPECT_EQ(all.images_per_prompt, 4);
  ASSERT_EQ(all.pictures.size(), 8U);
  EXPECT_EQ(all.pictures[0].file, "00000/samples/0000.png");
  EXPECT_EQ(all.pictures[7].file, "00001/samples/0003.png");
  EXPECT_EQ(all.pictures[7].seeds, Seeds{7});
  ASSERT_EQ(all.texts.size(), 2U);
  EXPECT_EQ(all.texts[1].file, "00001/metadata.jsonl");
  EXPECT_EQ(all.texts[1].text, "{2}\n");
}

TEST(PictureList, DpgHasOneGridForEachPrompt) {
  const PromptList list{Layout::dpg, {{.text = "a", .id = "256"}, {.text = "b", .id = "partiprompts10"}}};
  const PictureList all = list_pictures(list, {.seed = 100});
  EXPECT_EQ(files(all), (Files{"256.png", "partiprompts10.png"}));
  EXPECT_EQ(all.pictures[1].seeds, (Seeds{104, 105, 106, 107}));
  EXPECT_EQ(list_pictures(list, {.images_per_prompt = 1}).pictures[1].seeds, Seeds{1});
  EXPECT_THROW(list_pictures(list, {.images_per_prompt = 2}), UsageError);
}

TEST(PictureList, Hpsv2CountsWithinEachStyle) {
  const PromptList list{
      Layout::hpsv2,
      {{.text = "a", .style = "anime"}, {.text = "b", .style = "anime"}, {.text = "c", .style = "photo"}}};
  const PictureList all = list_pictures(list, {});
  EXPECT_EQ(files(all), (Files{"anime/00000.jpg", "anime/00001.jpg", "photo/00000.jpg"}));
  EXPECT_EQ(all.pictures[2].seeds, Seeds{2});
  EXPECT_THROW(list_pictures(list, {.images_per_prompt = 4}), UsageError);
}

TEST(PictureList, ImageRewardListsItsPicturesInOneArray) {
  const PictureList all =
      list_pictures({Layout::imagereward, {{.text = "a", .id = "x-1"}, {.text = "b", .id = "y"}}}, {.out = "out"});
  ASSERT_EQ(all.pictures.size(), 20U);
  EXPECT_EQ(all.pictures[19].file, "y/y_9.png");
  EXPECT_EQ(all.pictures[19].seeds, Seeds{19});
  ASSERT_EQ(all.texts.size(), 1U);
  EXPECT_EQ(all.texts[0].file, "metadata.jsonl");
  const auto metadata = nlohmann::json::parse(all.texts[0].text);
  ASSERT_EQ(metadata.size(), 2U);
  EXPECT_EQ(metadata[0]["id"], "x-1");
  EXPECT_EQ(metadata[1]["prompt"], "b");
  EXPECT_EQ(metadata[0]["gen_image_paths"].size(), 10U);
  EXPECT_EQ(metadata[0]["gen_image_paths"][9], "out/x-1/x-1_9.png");
}

TEST(PictureList, TooManyImagesAreRefused) {
  EXPECT_THROW(list_pictures({Layout::list, {{.text = "a"}}}, {.images_per_prompt = -1}), UsageError);
  EXPECT_THROW(list_pictures({Layout::list, {{.text = "a"}}}, {.images_per_prompt = 10001}), UsageError);
}

TEST(Grid, FourPicturesMeetEdgeToEdge) {
  std::vector<Image> images;
  for (std::uint8_t i = 0; i < 4; ++i) {
    Image image{.width = 3, .height = 2, .rgb = {}};
    for (std::uint8_t pixel = 0; pixel < 6; ++pixel) {
      for (std::uint8_t c = 0; c < 3; ++c) image.rgb.push_back(static_cast<std::uint8_t>(i * 50 + pixel * 3 + c));
    }
    images.push_back(image);
  }
  EXPECT_EQ(as_grid({images[2]}), images[2]);
  const Image grid = as_grid(images);
  ASSERT_EQ(grid.width, 6);
  ASSERT_EQ(grid.height, 4);
  // What the scorer cuts out: (0,0), (w,0), (0,h), (w,h).
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::int64_t y = 0; y < 2; ++y) {
      for (std::int64_t x = 0; x < 9; ++x) {
        const auto row = y + (i < 2 ? 0 : 2);
        const auto column = x + (i % 2 == 0 ? 0 : 9);
        EXPECT_EQ(grid.rgb[static_cast<std::size_t>(row * 18 + column)],
                  images[i].rgb[static_cast<std::size_t>(y * 9 + x)]);
      }
    }
  }
}

}  // namespace
}  // namespace scalekv::dataset
