#include "shapes/shapes_judge.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "base/file.h"

namespace scalekv::shapes {
namespace {

// 24 pictures of tools/shapes/render_truth.py; the last four softened (sigma 1.2) and sent through a JPEG of
// quality 50.
const std::filesystem::path kFolder = std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/shapes";

std::vector<nlohmann::json> read_truth() {
  std::istringstream lines(read_file(kFolder / "truth.jsonl"));
  std::vector<nlohmann::json> truth;
  for (std::string line; std::getline(lines, line);) truth.push_back(nlohmann::json::parse(line));
  return truth;
}

// Is there an object like this one?
bool contains(const FoundScene& scene, const nlohmann::json& object) {
  return std::any_of(scene.objects.begin(), scene.objects.end(), [&](const FoundObject& found) {
    return found.shape == object.at("shape").get<std::string>() &&
           found.colour == object.at("colour").get<std::string>() &&
           std::abs(found.x - object.at("x").get<double>()) < 2.5 &&
           std::abs(found.y - object.at("y").get<double>()) < 2.5 &&
           std::abs(found.radius - object.at("radius").get<double>()) < 2.5;
  });
}

TEST(ShapesFinder, FindsEveryObjectWhereItIs) {
  for (const nlohmann::json& line : read_truth()) {
    const FoundScene scene = find_objects(Image::read(kFolder / line.at("image").get<std::string>()));
    const nlohmann::json& truth = line.at("truth");
    EXPECT_EQ(scene.objects.size(), truth.at("objects").size()) << line.at("image") << ": " << scene.describe();
    for (const nlohmann::json& object : truth.at("objects")) {
      EXPECT_TRUE(contains(scene, object)) << line.at("image") << " lacks " << object << ": " << scene.describe();
    }
    const std::vector<std::string> colours = truth.at("background").at("colours");
    EXPECT_EQ(truth.at("background").at("split").get<std::string>() == "rows" ? scene.top : scene.left, colours.front())
        << line.at("image");
    EXPECT_EQ(truth.at("background").at("split").get<std::string>() == "rows" ? scene.bottom : scene.right,
              colours.back())
        << line.at("image");
  }
}

TEST(ShapesFinder, AnEmptyPictureHoldsNothing) {
  Image image{.width = 128, .height = 128, .rgb = {}};
  for (int i = 0; i < 128 * 128; ++i) image.rgb.insert(image.rgb.end(), {140, 140, 140});
  const FoundScene scene = find_objects(image);
  EXPECT_TRUE(scene.objects.empty());
  EXPECT_EQ(scene.left, "gray");
  EXPECT_THROW(static_cast<void>(find_objects({.width = 4, .height = 4, .rgb = std::vector<std::uint8_t>(48)})), Error);
}

TEST(ShapesJudge, TruePicturesAreRightAndOthersWrong) {
  const std::vector<ShapesCaption> captions = read_shapes_captions(kFolder / "truth.jsonl");
  ASSERT_EQ(captions.size(), 24U);
  std::vector<FoundScene> scenes;
  for (const ShapesCaption& caption : captions) scenes.push_back(find_objects(Image::read(kFolder / caption.image)));
  ShapesScore score;
  std::size_t right_by_chance = 0;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    const std::string fault = find_fault(captions[i], scenes[i]);
    EXPECT_EQ(fault, "") << captions[i].prompt << ": " << scenes[i].describe();
    score.add(captions[i], fault.empty());
    for (std::size_t j = 0; j < scenes.size(); ++j)
      right_by_chance += j != i && find_fault(captions[i], scenes[j]).empty() ? 1U : 0U;
  }
  EXPECT_LE(right_by_chance, 24U * 23U / 50U);  // 2%
  const nlohmann::ordered_json json = score.to_json();
  EXPECT_EQ(json.at("overall"), 1.0);
  EXPECT_EQ(json.at("n").get<int>() + json.at("unseen_n").get<int>(), 24);
}

ShapesCaption caption(std::vector<AskedObject> objects, const std::string& relation = "",
                      const std::string& background = "") {
  return {.prompt = "",
          .category = "two",
          .objects = std::move(objects),
          .relation = relation,
          .background = background,
          .unseen = false,
          .image = ""};
}

TEST(ShapesJudge, SaysWhatIsWrong) {
  const FoundScene scene{.objects = {{.shape = "ring", .colour = "red", .x = 30, .y = 64},
                                     {.shape = "square", .colour = "blue", .x = 90, .y = 70}},
                         .left = "gray",
                         .right = "pink",
                         .top = "gray",
                         .bottom = "gray"};
  EXPECT_EQ(find_fault(caption({{"ring", "red"}, {"square", ""}}, "left of", "gray and pink"), scene), "");
  EXPECT_EQ(find_fault(caption({{"square", "blue"}, {"ring", ""}}, "right of"), scene), "");
  EXPECT_EQ(find_fault(caption({{"ring", ""}}), scene), "2 objects, not 1");
  EXPECT_EQ(find_fault(caption({{"ring", "", 2}}), scene), "other shapes");
  EXPECT_EQ(find_fault(caption({{"ring", "blue"}, {"square", "red"}}), scene), "other colours");
  EXPECT_EQ(find_fault(caption({{"ring", ""}, {"square", ""}}, "above"), scene), "not above");
  EXPECT_EQ(find_fault(caption({{"ring", ""}, {"square", ""}}, "", "pink and gray"), scene), "another background");
  EXPECT_EQ(find_fault(caption({{"ring", ""}, {"square", ""}}, "", "gray"), scene), "another background");
}

TEST(ShapesJudge, OverallIsTheMeanOfCategories) {
  ShapesScore score;
  ShapesCaption single = caption({{"ring", ""}});
  single.category = "single";
  score.add(single, true);
  score.add(single, true);
  score.add(single, false);
  score.add(single, false);
  score.add(caption({{"ring", ""}, {"star", ""}}), true);
  single.unseen = true;
  score.add(single, false);
  const nlohmann::ordered_json json = score.to_json();
  EXPECT_EQ(json.at("single"), 0.5);
  EXPECT_EQ(json.at("two"), 1.0);
  EXPECT_EQ(json.at("overall"), 0.75);
  EXPECT_EQ(json.at("n"), 5);
  EXPECT_EQ(json.at("unseen_overall"), 0.0);
  EXPECT_EQ(json.at("unseen_n"), 1);
}

TEST(ShapesJudge, BadCaptionFilesAreNamedWithTheLine) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("scalekv_captions_" + std::to_string(::getpid()));
  const std::string good =
      R"({"prompt": "a ring", "category": "single", "objects": [{"shape": "ring", "colour": null, "count": 1}]})";
  for (const char* bad : {"{", "[]", R"({"prompt": 1})", R"({"prompt": "", "category": "single", "objects": []})",
                          R"({"prompt": "", "category": "single", "objects": [{"shape": "heart"}]})",
                          R"({"prompt": "", "category": "single", "objects": [{"shape": "ring", "count": 99}]})",
                          R"({"prompt": "", "category": "odd", "objects": [{"shape": "ring"}]})"}) {
    write_file(path, good + "\n" + bad + "\n");
    try {
      static_cast<void>(read_shapes_captions(path));
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
    }
  }
  write_file(path, "\n");
  EXPECT_THROW(static_cast<void>(read_shapes_captions(path)), Error);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace scalekv::shapes
