#include "study/evaluation_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "study/curves.h"
#include "study/evaluation_log.h"
#include "study/token_map.h"

namespace scalekv::study {
namespace {

TEST(Bootstrap, SurroundsTheMeanAndRepeatsItself) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 2 == 0 ? 1.0 : 3.0);
  const Estimate estimate = bootstrap_mean(values);
  EXPECT_DOUBLE_EQ(estimate.mean, 2.0);
  // The standard error is 1/20: the interval is 2 +- 1.96/20, give or take what 1,000 resamples leave open.
  EXPECT_NEAR(estimate.low, 1.902, 0.02);
  EXPECT_NEAR(estimate.high, 2.098, 0.02);
  EXPECT_EQ(bootstrap_mean(values).low, estimate.low);
  const std::vector<double> one = {7.0};
  EXPECT_EQ(bootstrap_mean(one).low, 7.0);
}

Sample sample(const std::string& policy, std::size_t prompt, double kl) {
  return {.setting = {policy, 0.1},
          .prompt = prompt,
          .psnr = 20.0 + static_cast<double>(prompt),
          .ssim = 0.5,
          .divergence = {.kl = kl, .agreement = 0.9, .scale_kl = {kl, kl}, .scale_agreement = {0.9, 0.9}},
          .right = prompt == 0,
          .seconds = 0.25};
}

std::vector<EvaluationRow> rows() {
  const SettingBytes bytes{.peak = 1000, .share = 0.1, .paper_megabytes = 1.5};
  return {make_row({"snapkv", 0.1}, bytes, {sample("snapkv", 0, 0.2), sample("snapkv", 1, 0.4)}),
          make_row({"adaptive", 0.1}, bytes, {sample("adaptive", 0, 0.1), sample("adaptive", 1, 0.1)})};
}

TEST(EvaluationTable, HasEveryFieldWithItsInterval) {
  const nlohmann::json json = nlohmann::json::parse(to_json(rows(), 7));
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[0]["policy"], "snapkv");
  EXPECT_EQ(json[0]["seed"], 7);
  EXPECT_EQ(json[0]["kv_bytes_peak"], 1000);
  EXPECT_NEAR(json[0]["kl"].get<double>(), 0.3, 1e-12);
  EXPECT_NEAR(json[0]["shapes_score"].get<double>(), 0.5, 1e-12);
  for (const char* name : {"psnr", "ssim", "kl", "bit_agreement", "shapes_score", "seconds"}) {
    const auto interval = json[0][std::string(name) + "_ci"].get<std::vector<double>>();
    ASSERT_EQ(interval.size(), 2U) << name;
    EXPECT_LE(interval[0], json[0][name].get<double>() + 1e-12);
    EXPECT_GE(interval[1], json[0][name].get<double>() - 1e-12);
  }
  EXPECT_TRUE(json[0].contains("kv_share") && json[0].contains("kv_paper_mb") && json[0].contains("budget"));
}

TEST(EvaluationTable, TablesForPeopleAndProgramsAgree) {
  const std::string csv = to_csv(rows());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  const std::string header = csv.substr(0, csv.find('\n'));
  const std::string line = csv.substr(header.size() + 1, csv.find('\n', header.size() + 1) - header.size() - 1);
  EXPECT_EQ(std::count(header.begin(), header.end(), ','), std::count(line.begin(), line.end(), ','));
  const std::string markdown = to_markdown(rows());
  EXPECT_LT(markdown.find("| adaptive"), markdown.find("| snapkv"));  // the best first
}

class LogFile : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }
  // One for each test: they may run at the same time.
  std::filesystem::path path_ =
      std::filesystem::path(::testing::TempDir()) /
      fmt::format("evaluation_log_{}.jsonl", ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

const Settings kSettings = {{"cfg", "3"}, {"model", "toy"}};

TEST_F(LogFile, GoesOnWhereItStopped) {
  {
    EvaluationLog log(path_, kSettings, {"a", "b"});
    log.add(sample("snapkv", 0, 0.2));
    log.add(sample("snapkv", 1, 0.4));
  }
  std::ofstream(path_, std::ios::app) << "{\"policy\":\"sna";  // the process was killed here
  EvaluationLog log(path_, kSettings, {"a", "b", "c"});        // more prompts than before
  ASSERT_EQ(log.samples().size(), 2U);
  EXPECT_EQ(log.samples()[1].divergence.kl, 0.4);
  EXPECT_EQ(log.samples()[0].right, true);
  EXPECT_TRUE(log.has({"snapkv", 0.1}, 1));
  EXPECT_FALSE(log.has({"snapkv", 0.1}, 2));
  log.add(sample("snapkv", 2, 0.6));
  EXPECT_EQ(EvaluationLog(path_, kSettings, {"a"}).samples().size(), 3U);  // fewer prompts lose nothing
}

TEST_F(LogFile, RefusesAnotherEvaluationsLogAndNonsense) {
  EvaluationLog(path_, kSettings, {"a", "b"}).add(sample("snapkv", 1, 0.4));
  const auto refused = [&](const Settings& settings, const std::vector<std::string>& prompts) {
    try {
      EvaluationLog(path_, settings, prompts);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused(kSettings, {"a", "b"}), "");
  EXPECT_NE(refused({{"cfg", "4"}, {"model", "toy"}}, {"a", "b"}).find("(cfg was 3 and is 4)"), std::string::npos);
  EXPECT_NE(refused(kSettings, {"a", "another"}).find("its prompt number 2 is another"), std::string::npos);
  std::ofstream(path_, std::ios::app) << "nonsense\n";
  EXPECT_NE(refused(kSettings, {"a", "b"}).find("line 3"), std::string::npos);
  std::ofstream(path_) << "{\"format\":\"scalekv-evaluation-1\",\"seed\":0}\n";
  EXPECT_NE(refused(kSettings, {"a", "b"}).find("another version"), std::string::npos);
}

TEST(EvaluationPrompts, WhatTheJudgeExpectsCounts) {
  EvaluationPrompts prompts{{"a red circle"}, {}};
  const std::vector<std::string> plain = prompts.sha256();
  ASSERT_EQ(plain.size(), 1U);
  shapes::ShapesCaption caption;
  caption.objects = {{"circle", "red", 1}};
  prompts.captions = {caption};
  const std::vector<std::string> judged = prompts.sha256();
  EXPECT_NE(judged, plain);
  prompts.captions[0].objects[0].count = 2;
  EXPECT_NE(prompts.sha256(), judged);
}

// What follows every occurrence of `before`, up to the next quote.
std::vector<std::string> quoted_after(const std::string& text, const std::string& before) {
  std::vector<std::string> found;
  for (std::size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const std::size_t begin = at + before.size();
    found.push_back(text.substr(begin, text.find('"', begin) - begin));
  }
  return found;
}

TEST_F(LogFile, ThePageIsWholeAndEscapes) {
  Image{.width = 2, .height = 2, .rgb = std::vector<std::uint8_t>(12, 9)}.write_png(path_);
  const PageStrip strip{"a <b> & \"c\"", {{"full", path_}, {"snapkv, 10%", path_}}};
  const PageStrip sheets{"sheets & more", {{"adaptive, 10%", path_}}};
  const std::string page = evaluation_page("toy", rows(), {strip}, sheets);
  EXPECT_NE(page.find("a &lt;b&gt; &amp; &quot;c&quot;"), std::string::npos);
  EXPECT_NE(page.find("sheets &amp; more"), std::string::npos);
  EXPECT_NE(page.find("What every layer (down) and head (across) holds"), std::string::npos);
  // Four curves of two policies each.
  EXPECT_EQ(quoted_after(page, "<svg xmlns=\"").size(), 4U);
  EXPECT_EQ(quoted_after(page, "<polyline points=\"").size(), 8U);
  for (const char* title : {"Divergence of the bits", "PSNR against", "SSIM against", "Pictures that show"}) {
    EXPECT_NE(page.find(title), std::string::npos) << title;
  }
  // Nothing is fetched: every picture is in the page, and the only address is the name of the SVG language.
  const std::vector<std::string> sources = quoted_after(page, "src=\"");
  EXPECT_EQ(sources.size(), 3U);
  for (const std::string& source : sources) EXPECT_EQ(source.rfind("data:image/png;base64,iVBORw0KGgo", 0), 0U);
  for (const std::string& address : quoted_after(page, "http")) EXPECT_EQ(address, "://www.w3.org/2000/svg");
  EXPECT_EQ(page.find("href"), std::string::npos);
}

TEST(TokenWatch, FollowsTokensThroughSelections) {
  const cache::CacheGeometry geometry{
      .layers = 1, .heads = 1, .head_size = 1, .scales = {{1, 1}, {1, 2}, {2, 2}, {4, 4}}};
  TokenWatch watch(geometry);
  EXPECT_EQ(watch.history(0, 0), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6}));
  watch.see(1, 0, 0, 0, std::vector<std::int32_t>{0, 2});
  watch.see(1, 0, 1, 0, std::vector<std::int32_t>{0});  // the other half of guidance
  EXPECT_EQ(watch.history(0, 0), (std::vector<std::int32_t>{0, 2, 3, 4, 5, 6}));
  watch.see(2, 0, 0, 0, std::vector<std::int32_t>{1, 2, 5});
  EXPECT_EQ(watch.history(0, 0), (std::vector<std::int32_t>{2, 3, 6}));
  const Image picture{.width = 4, .height = 4, .rgb = std::vector<std::uint8_t>(48, 100)};
  const Image sheet = token_sheet(picture, watch, geometry);
  EXPECT_EQ(sheet.width, 64);
  // Token 6 is the lower right quarter of the 2x2 map, token 3 its upper left one; nothing covers the lower left.
  EXPECT_GT(sheet.rgb[(63 * 64 + 63) * 3], sheet.rgb[(63 * 64 + 0) * 3]);
  EXPECT_EQ(sheet.rgb[(63 * 64 + 0) * 3], 25);
}

}  // namespace
}  // namespace scalekv::study
