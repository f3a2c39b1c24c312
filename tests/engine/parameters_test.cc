#include <gtest/gtest.h>

#include "scalekv/pipeline.h"

namespace scalekv {
namespace {

const Image kImage{.width = 256, .height = 192, .rgb = {}};

std::string parameters_of(const std::map<std::string, std::string>& settings) {
  return with_parameters(settings, kImage).at("parameters");
}

const std::map<std::string, std::string> kSettings = {
    {"prompt", "a red ring"}, {"seed", "7"},     {"size", "1M"},         {"aspect", "0.75"}, {"cfg", "3"}, {"tau", "1"},
    {"policy", "scalekv"},    {"model", "2b-x"}, {"Software", "scalekv"}};

std::map<std::string, std::string> changed(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> settings = changes;
  settings.insert(kSettings.begin(), kSettings.end());
  return settings;
}

TEST(Parameters, HaveTheFormThatViewersRead) {
  EXPECT_EQ(parameters_of(kSettings),
            "a red ring\nSteps: 13, Sampler: Infinity, CFG scale: 3, Seed: 7, Size: 256x192, Model: 2b-x, "
            "Version: scalekv");
  EXPECT_EQ(parameters_of(changed({{"negative_prompt", "blurry"}, {"size", "0.06M"}})),
            "a red ring\nNegative prompt: blurry\nSteps: 7, Sampler: Infinity, CFG scale: 3, Seed: 7, Size: 256x192, "
            "Model: 2b-x, Version: scalekv");
  EXPECT_NE(parameters_of(changed({{"image", "2"}})).find(", Image: 2, "), std::string::npos);
  EXPECT_EQ(parameters_of(changed({{"image", "0"}})), parameters_of(kSettings));
}

TEST(Parameters, PromptsStayAsTheyAreAndOtherValuesAreQuoted) {
  const std::string prompt = "one, \"two\"\nSteps: 3\n\xE6\x98\x9F";
  EXPECT_TRUE(parameters_of(changed({{"prompt", prompt}})).starts_with(prompt + "\nSteps: 13, "));
  const std::string text = parameters_of(changed({{"cfg", "3,3,4"}, {"model", "my \"best\": 2b"}}));
  EXPECT_NE(text.find("CFG scale: \"3,3,4\", Seed"), std::string::npos) << text;
  EXPECT_NE(text.find(R"(Model: "my \"best\": 2b", Version)"), std::string::npos) << text;
}

TEST(Parameters, StandBesideTheOtherEntries) {
  std::map<std::string, std::string> entries = with_parameters(kSettings, kImage);
  entries.erase("parameters");
  EXPECT_EQ(entries, kSettings);
}

}  // namespace
}  // namespace scalekv
