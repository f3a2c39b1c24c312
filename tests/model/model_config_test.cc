#include "model/model_config.h"

#include <gtest/gtest.h>

#include "model/random_model.h"
#include "model/sizes.h"
#include "support/failure.h"

namespace scalekv::model {
namespace {

using testing::failure_of;
using testing::mentions;

// Nothing of the weights is made: only names and shapes are looked at.
Bundle bundle_of(const std::string& architecture, const std::string& config) {
  Bundle bundle = random_bundle(find_architecture(architecture), 0);
  bundle.config_json = config;
  return bundle;
}

TEST(ModelConfig, PublishedModelsAreRecognisedBySize) {
  const auto made = [](const std::string& architecture) {
    return make_config(bundle_of(architecture, ""), {}, "file");
  };
  const nlohmann::json small = made("infinity-2b");
  EXPECT_EQ(small["name"], "infinity-2b");
  EXPECT_EQ(small["defaults"], nlohmann::json({{"size", "1M"}, {"cfg", 3.0}, {"tau", 0.5}}));
  EXPECT_EQ(small["infinity"]["bits"], 32);
  EXPECT_EQ(small["t5"]["layers"], 24);
  EXPECT_EQ(small["pixels_per_token"], 16);
  const nlohmann::json large = made("infinity-8b");
  EXPECT_EQ(large["name"], "infinity-8b");
  EXPECT_EQ(large["defaults"]["tau"], 1.0);
  EXPECT_EQ(large["infinity"]["patchify"], true);
  EXPECT_EQ(made("layer12")["name"], "infinity-125m");
  EXPECT_EQ(made("layer12")["defaults"]["size"], "0.06M");
  for (const std::string depth : {"16", "24", "32", "40", "48"}) {
    const nlohmann::json of_family = made("layer" + depth);
    EXPECT_EQ(of_family["name"], "infinity-layer" + depth);
    EXPECT_EQ(of_family["defaults"], nlohmann::json({{"size", "1M"}, {"cfg", 4.0}, {"tau", 1.0}}));
  }
}

TEST(ModelConfig, ChoicesComeBeforeTheSourceAndThatBeforeWhatIsKnown) {
  const std::string source = R"({"name": "mine", "defaults": {"size": "0.25M", "cfg": 2.5}, "note": "kept"})";
  nlohmann::json config = make_config(bundle_of("infinity-2b", source), {}, "file");
  EXPECT_EQ(config["name"], "mine");
  EXPECT_EQ(config["note"], "kept");
  EXPECT_EQ(config["defaults"], nlohmann::json({{"size", "0.25M"}, {"cfg", 2.5}}));
  config = make_config(bundle_of("infinity-2b", source), {.name = "other", .size = "0.06M", .tau = 0.7}, "file");
  EXPECT_EQ(config["name"], "other");
  EXPECT_EQ(config["defaults"], nlohmann::json({{"size", "0.06M"}, {"cfg", 2.5}, {"tau", 0.7}}));
}

TEST(ModelConfig, UnknownSizesTakeTheFilesName) {
  Architecture architecture = find_architecture("layer12");
  architecture.transformer.depth = 8;
  Bundle bundle = random_bundle(architecture, 0);
  bundle.config_json.clear();
  const nlohmann::json config = make_config(bundle, {}, "shapes");
  EXPECT_EQ(config["name"], "shapes");
  EXPECT_EQ(config["defaults"], nlohmann::json({{"size", "1M"}, {"cfg", 4.0}, {"tau", 1.0}}));
}

// A file that wants to be computed otherwise is not drawn wrongly, neither as it is nor converted.
TEST(ModelConfig, WhatThisProgramDoesNotComputeIsRefused) {
  const auto failures = [](const std::string& config) {
    const Bundle bundle = bundle_of("layer12", config);
    const std::string failure = failure_of([&] { static_cast<void>(read_sizes(bundle, "")); });
    EXPECT_EQ(failure_of([&] { static_cast<void>(make_config(bundle, {}, "file")); }), failure);
    return failure;
  };
  EXPECT_EQ(failures(R"({"infinity": {"rope_reference": "1M"}, "t5": {"max_distance": 128, "eps": 1e-06}})"), "");
  EXPECT_TRUE(mentions(failures(R"({"infinity": {"rope_reference": "0.25M"}})"),
                       {"layer12", "infinity.rope_reference", "\"0.25M\"", "\"1M\""}));
  EXPECT_TRUE(mentions(failures(R"({"infinity": {"rope_reference": null}})"), {"rope_reference", "null"}));
  EXPECT_TRUE(mentions(failures(R"({"t5": {"max_distance": 64}})"), {"t5.max_distance", "64", "128"}));
  EXPECT_TRUE(mentions(failures(R"({"t5": {"eps": 0.00001}})"), {"t5.eps", "1e-05", "1e-06"}));
}

TEST(ModelConfig, OtherJsonIsRefused) {
  for (const char* config : {"[]", "7", "{", "{\"name\": 1, \"name\": 2}", R"({"infinity": 7})", R"({"defaults": []})",
                             R"({"t5": "x"})", "\xff"}) {
    EXPECT_TRUE(mentions(failure_of([&] { static_cast<void>(read_config(bundle_of("layer12", config))); }),
                         {"random weights of layer12: the metadata entry 'config'"}))
        << config;
  }
}

}  // namespace
}  // namespace scalekv::model
