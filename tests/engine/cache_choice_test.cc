#include "engine/cache_choice.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "engine/model.h"
#include "infinity/generation_request.h"
#include "model/random_model.h"

namespace scalekv::engine {
namespace {

// The embedded model's, for a picture of a size.
CachedPicture picture_of(const std::string& size) {
  static const std::shared_ptr<const ModelFiles> files = open_files({}, {});
  return {.model = files->sizes.name,
          .calibration = files->calibration,
          .geometry = infinity::cache_geometry(files->sizes.transformer, infinity::make_schedule(1.0, size)),
          .size = size};
}

std::string refusal(const CacheSettings& settings, const CachedPicture& picture) {
  try {
    choose_cache(settings, picture);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::filesystem::path written(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / name;
  write_file(path, text);
  return path;
}

TEST(CacheChoice, EveryPolicyThatNeedsNoCalibrationDrawsAtEverySize) {
  for (const char* size : {"0.06M", "0.25M", "0.60M", "1M"}) {
    for (const cache::PolicyFacts& facts : cache::known_policies()) {
      const std::string sentence = refusal({.policy = facts.name}, picture_of(size));
      const bool refused = cache::needs_calibration(facts.name) && std::string(size) != "0.06M";
      EXPECT_EQ(!sentence.empty(), refused) << facts.name << " at " << size << ": " << sentence;
      if (!refused) continue;
      EXPECT_NE(sentence.find("`calibrate` (`size` " + std::string(size)), std::string::npos) << sentence;
      EXPECT_EQ(sentence.find('\n'), std::string::npos);
    }
  }
}

TEST(CacheChoice, SaysWhatItStandsOn) {
  const cache::Policy small = choose_cache({}, picture_of("0.06M"));
  EXPECT_EQ(small.name, "adaptive");
  EXPECT_EQ(small.facts.at("calibration"), "embedded");
  EXPECT_EQ(small.facts.at("calibration_sha256").size(), 16U);
  const cache::Policy larger = choose_cache({.policy = "scalekv"}, picture_of("0.25M"));
  EXPECT_EQ(larger.facts.at("drafters"), "default");
  EXPECT_FALSE(larger.facts.contains("calibration")) << "it was not used";
  EXPECT_EQ(choose_cache({.policy = "scalekv"}, picture_of("0.06M")).facts.at("calibration"), "embedded");
  EXPECT_FALSE(choose_cache({.policy = "snapkv"}, picture_of("0.06M")).facts.contains("calibration"));
  const cache::Policy selected = choose_cache({.selector = "attention"}, picture_of("0.06M"));
  EXPECT_EQ(selected.name, "scalekv") << "which has selectors";
  EXPECT_EQ(selected.facts.at("selector"), "attention");
  EXPECT_EQ(selected.facts.at("policy_reason"), "auto: it has the selector that was asked for");
}

TEST(CacheChoice, OptionsThatAreAcceptedAct) {
  const auto usage = [](const CacheSettings& settings) { EXPECT_THROW(check_cache_settings(settings), UsageError); };
  for (const char* policy : {"full", "snapkv", "adaptive", "heatkv"}) {
    usage({.policy = policy, .selector = "attention"});
    usage({.policy = policy, .selector = "reference"});
  }
  for (const char* policy : {"full", "snapkv", "h2o", "sliding-window", "streaming-llm", "pyramidkv"}) {
    usage({.policy = policy, .calibration = "some.json"});
  }
  usage({.calibration = "some.json", .budgets = "other.json"});
  usage({.policy = "magic"});
  usage({.budget = 0.0});
  usage({.policy = "scalekv", .selector = "magic"});
  for (const char* policy : {"scalekv", "scalekv-first"}) {
    EXPECT_NO_THROW(check_cache_settings({.policy = policy, .selector = "attention", .calibration = "some.json"}));
  }
}

TEST(CacheChoice, AnotherPolicyTakesOnlyItsOwnOptions) {
  const CacheSettings all = {
      .policy = "scalekv", .selector = "attention", .calibration = "a.json", .budgets = "b.json"};
  for (const cache::PolicyFacts& facts : cache::known_policies()) {
    const CacheSettings mine = with_policy(all, facts.name);
    EXPECT_NO_THROW(check_cache_settings(mine)) << facts.name;
    EXPECT_EQ(mine.selector.empty(), !cache::takes_selector(facts.name));
    EXPECT_EQ(mine.calibration.empty(), !cache::takes_calibration(facts.name));
    EXPECT_TRUE(mine.budgets.empty()) << "a file would say another policy";
  }
}

TEST(CacheChoice, ANamedCalibrationOfAnotherSizeOrModelIsAnError) {
  const std::string text = embedded_calibration();
  const auto named = written("named.json", text);
  for (const char* policy : {"auto", "scalekv", "scalekv-first", "adaptive"}) {
    EXPECT_EQ(refusal({.policy = policy, .calibration = named}, picture_of("0.06M")), "") << policy;
    const std::string sentence = refusal({.policy = policy, .calibration = named}, picture_of("0.25M"));
    EXPECT_NE(sentence.find("named.json"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("`calibrate` (`size` 0.25M)"), std::string::npos) << sentence;
  }
  std::string other = text;
  other.replace(other.find("shapes-7s"), 9, "another-1");
  EXPECT_NE(refusal({.calibration = written("other.json", other)}, picture_of("0.06M")).find("another-1"),
            std::string::npos);
}

// Beside a model that is not the embedded one.
TEST(CacheChoice, ADamagedCalibrationStopsThoseThatReadIt) {
  const std::filesystem::path model = written("beside.safetensors", "");
  written("beside.calibration.json", "{");
  CachedPicture picture = picture_of("0.06M");
  picture.calibration = std::make_shared<ModelCalibration>(model, OpenOptions(), model::Bundle(), picture.model);
  for (const char* policy : {"full", "snapkv", "h2o"}) EXPECT_EQ(refusal({.policy = policy}, picture), "") << policy;
  for (const char* policy : {"auto", "scalekv", "adaptive"}) {
    EXPECT_NE(refusal({.policy = policy}, picture).find("beside.calibration.json"), std::string::npos) << policy;
  }
}

TEST(CacheChoice, BudgetsArePublishedForTheReleasedModels) {
  for (const model::Architecture& architecture : model::known_architectures()) {
    const bool released = architecture.name == "infinity-2b" || architecture.name == "infinity-8b";
    for (const double aspect : {1.0, 1.5, 0.5}) {
      for (const char* size : {"0.25M", "1M"}) {
        const auto geometry = infinity::cache_geometry(architecture.transformer, infinity::make_schedule(aspect, size));
        EXPECT_EQ(cache::has_published_budgets(geometry), released && std::string(size) == "1M")
            << architecture.name << size;
      }
    }
  }
}

}  // namespace
}  // namespace scalekv::engine
