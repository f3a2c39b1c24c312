#include "cache/budget_file.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace scalekv::cache {
namespace {

const CacheGeometry kFileGeometry{.layers = 2, .heads = 2, .head_size = 4, .scales = {{1, 1}, {2, 2}, {3, 3}, {4, 4}}};

std::shared_ptr<const Calibration> calibration() {
  auto made = std::make_shared<Calibration>(Calibration{"toy", 3, AttentionStatistics(kFileGeometry)});
  for (int scale = 0; scale < kFileGeometry.scale_count(); ++scale) {
    for (int head = 0; head < 4; ++head) {
      const auto regions = removal_regions(kFileGeometry, scale);
      HeadStatistics means{.current_share = 0.1 * head,
                           .concentration = 0.5,
                           .received = std::vector<double>(static_cast<std::size_t>(scale), 0.1 * head),
                           .lost = std::vector<double>(kept_grid(kFileGeometry.tokens_before(scale)).size(), 0.2),
                           .removal = std::vector<double>(regions, 1.0 + head)};
      made->statistics.set(scale, head / 2, head % 2, means, 6);
    }
  }
  return made;
}

BudgetFile allocated(const std::string& policy) {
  return allocate({policy, 0.3, "reference", calibration()}, kFileGeometry, "toy");
}

TEST(BudgetFile, ReadsWhatItWrites) {
  for (const char* policy : {"scalekv", "heatkv", "adaptive"}) {
    const BudgetFile file = allocated(policy);
    const BudgetFile read = parse_budgets(to_json(file), "b.json", 2, 2);
    EXPECT_EQ(read.model, "toy");
    EXPECT_EQ(read.policy, policy);
    EXPECT_EQ(read.capacities, file.capacities);
    EXPECT_EQ(read.plan, file.plan);
    const Policy direct = make_policy(PolicyRequest{policy, 0.3, "reference", calibration()}, kFileGeometry);
    const Policy by_file = make_policy(read, kFileGeometry, PolicyRequest());
    EXPECT_EQ(by_file.budget.rows(), direct.budget.rows());
    EXPECT_EQ(by_file.budget.base(), direct.budget.base());
  }
  EXPECT_THROW(allocate({"snapkv", 0.3, "reference", nullptr}, kFileGeometry, "toy"), UsageError);
}

constexpr const char* kPublished = R"({"Scale 3": {"Max": 30, "Min": 16, "Block 0": 1, "Block 1": 0, "Limit": 9},
  "Scale 4": {"Max": 40, "Min": 20, "Block 0": 0, "Block 1": 1}})";

TEST(BudgetFile, ReadsAndWritesThePublishedShape) {
  const BudgetFile file = parse_budgets(kPublished, "2b.json", 2, 2);
  EXPECT_EQ(file.policy, "scalekv");
  EXPECT_EQ(file.base, 23);
  EXPECT_EQ(file.capacities.at(3), (std::vector<std::int64_t>{30, 30, 16, 16}));
  EXPECT_EQ(file.capacities.at(4), (std::vector<std::int64_t>{20, 20, 40, 40}));
  EXPECT_EQ(parse_budgets(to_published_json(file), "again", 2, 2).capacities, file.capacities);
  EXPECT_THROW(to_published_json(allocated("adaptive")), Error);
  // A mean of 4 tokens: nothing that could be read again, so nothing is written.
  try {
    static_cast<void>(to_published_json(allocated("scalekv")));
    ADD_FAILURE() << "capacities below the window were written";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("below its window of 16"), std::string::npos) << error.what();
  }
}

// The published 2B table, as its repository has it, through the file and through the allocator.
TEST(BudgetFile, ThePublishedRowsAreTheAllocators) {
  const CacheGeometry geometry{.layers = 32,
                               .heads = 16,
                               .head_size = 128,
                               .scales = {{1, 1},
                                          {2, 2},
                                          {4, 4},
                                          {6, 6},
                                          {8, 8},
                                          {12, 12},
                                          {16, 16},
                                          {20, 20},
                                          {24, 24},
                                          {32, 32},
                                          {40, 40},
                                          {48, 48},
                                          {64, 64}}};
  const auto rows = allocate_scale_budget(geometry, 650, default_drafters(32));
  BudgetFile file;
  file.geometry = geometry;
  file.capacities = make_scale_budget(32, 16, 650, rows).rows();
  const BudgetFile read = parse_budgets(to_published_json(file), "2b.json", 32, 16);
  EXPECT_EQ(read.base, 650);
  EXPECT_EQ(read.capacities, file.capacities);
  EXPECT_EQ(read.capacities.at(9).front(), 920);
  EXPECT_EQ(read.capacities.at(13)[16], 465);
  BudgetFile holed = read;
  holed.capacities.erase(11);
  EXPECT_THROW(make_policy(holed, geometry, PolicyRequest()), Error);
}

std::string message(const std::string& json) {
  try {
    make_policy(parse_budgets(json, "b.json", 2, 2), kFileGeometry, PolicyRequest());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(BudgetFile, BadFilesAreRefusedInOneSentence) {
  const std::string good = to_json(allocated("scalekv"));
  const std::string plan = to_json(allocated("adaptive"));
  const std::string published = kPublished;
  ASSERT_EQ(message(good), "");
  ASSERT_EQ(message(plan), "");
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "b.json"},
      {"[1, 2]", "not an object"},
      {"{}", "no budget"},
      {R"({"Hello": 1})", "not \"Scale N\""},
      {replaced(good, "scalekv-budgets-1", "something"), "format"},
      {replaced(good, "\"layers\":2", "\"layers\":3"), "3 layers of 2 heads"},
      {replaced(good, "\"heads\":2", "\"heads\":7"), "2 layers of 7 heads"},
      {replaced(good, "\"layers\":2", "\"layers\":\"two\""), "whole number"},
      {replaced(good, "\"base\":4", "\"base\":-4"), "whole number"},
      {replaced(good, "\"4\":{", "\"9\":{"), "scale 4: its row is missing"},
      {replaced(good, "{\"capacities\":[[", "{\"capacities\":[[-"), "not a whole number of tokens"},
      {replaced(good, "{\"capacities\":[[", "{\"capacities\":[[99999999"), "not a whole number of tokens"},
      {replaced(good, "{\"capacities\":[[", "{\"capacities\":[[1.5,"), "heads"},
      {replaced(good, "{\"capacities\":[[", "{\"capacities\":[3,["), "2"},
      {replaced(good, "[4,4]", "[4,5]"), "another picture size"},
      {replaced(good, "[4,4]", "[4]"), "sizes"},
      {replaced(plan, "\"folds\":true", "\"folds\":1"), "neither true nor false"},
      {replaced(plan, "\"folds\":true", "\"folds\":false"), "at least one"},
      {replaced(plan, "[[0,1]]", "[[5000,1]]"), "not a whole number of tokens"},
      {replaced(plan, "[[0,1]]", "[[\"0\",1]]"), "not a whole number of tokens"},
      {replaced(published, "\"Min\": 16", "\"Min\": 15"), "whole number from 16"},
      {replaced(published, "\"Min\": 16", "\"Min\": -1"), "whole number from 16"},
      {replaced(published, "\"Max\": 30", "\"Max\": 1e99"), "whole number"},
      {replaced(published, "\"Max\": 30, ", ""), "\"Max\" is missing"},
      {replaced(published, "\"Block 0\": 1", "\"Block 0\": 2"), "whole number from 0 to 1"},
      {replaced(published, ", \"Block 1\": 0", ""), "1 blocks, but the model has 2"},
  };
  for (const auto& [json, expected] : cases) {
    const std::string said = message(json);
    EXPECT_NE(said.find(expected), std::string::npos) << json << "\nsaid: " << said;
    EXPECT_EQ(said.find('\n'), std::string::npos);
  }
}

TEST(Calibration, ReadsWhatItWritesAndRefusesTheRest) {
  const std::string good = to_json(*calibration());
  const Calibration read = parse_calibration(good, "c.json");
  EXPECT_EQ(to_json(read), good);
  EXPECT_TRUE(read.settings.empty());
  Calibration known = *calibration();
  known.settings = {{"seed", "3"}, {"cfg", "4"}};
  known.prompts_sha256 = prompts_sha256(std::vector<std::string>{"a", "b c"});
  const std::string described = to_json(known);
  const Calibration read_again = parse_calibration(described, "c.json");
  EXPECT_EQ(read_again.settings, known.settings);
  EXPECT_EQ(read_again.prompts_sha256, known.prompts_sha256);
  EXPECT_NE(known.prompts_sha256, prompts_sha256(std::vector<std::string>{"a b", "c"}));
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "c.json"},
      {"[]", "\"format\" is missing"},
      {replaced(good, "scalekv-calibration-2", "scalekv-calibration-1"), "calibrate again"},
      {replaced(described, "\"seed\":\"3\"", "\"seed\":3"), "\"seed\" is not a text"},
      {replaced(described, "{\"cfg\":\"4\",\"seed\":\"3\"}", "[]"), "not an object"},
      {replaced(described, "\"prompts_sha256\"", "\"something\""), "\"prompts_sha256\" is missing"},
      {replaced(good, "\"layers\":2", "\"layers\":-2"), "whole number"},
      {replaced(good, "\"layers\":2", "\"layers\":3"), "\"layers\" has 2 entries, not 3"},
      {replaced(good, "\"heads\":2", "\"heads\":4000"), "not a list of 4000 heads"},
      {replaced(good, "\"sequences\":6", "\"sequences\":\"six\""), "whole number"},
      {replaced(good, "\"current_share\":0.0", "\"current_share\":-0.1"), "no number from 0 up"},
      {replaced(good, "\"concentration\":0.5", "\"concentration\":[]"), "no number from 0 up"},
      {replaced(good, "\"removal\":[1.0]", "\"removal\":[1.0,2.0]"), "has 2 entries, not 1"},
      {replaced(good, "\"removal\":[1.0]", "\"removal\":[1e999]"), "c.json"},
  };
  for (const auto& [json, expected] : cases) {
    std::string said;
    try {
      parse_calibration(json, "c.json");
    } catch (const Error& error) {
      said = error.what();
    }
    EXPECT_NE(said.find(expected), std::string::npos) << json.substr(0, 300) << "\nsaid: " << said;
  }
  CacheGeometry other = kFileGeometry;
  other.layers = 5;
  EXPECT_THROW(read.check_fits(other), Error);
  other = kFileGeometry;
  other.scales.push_back({8, 8});
  EXPECT_THROW(read.check_fits(other), Error);
}

}  // namespace
}  // namespace scalekv::cache
