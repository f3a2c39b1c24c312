// The public API on the embedded model: what other programs rely on.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/pipeline_access.h"
#include "engine/run.h"
#include "scalekv/scalekv.h"

namespace scalekv {
namespace {

const std::vector<Prompt> kPrompts = {
    {.text = "a red circle", .seed = 7},
    {.text = "a large red ring above a small blue square and two green stars", .seed = 3, .negative = "a yellow heart"},
    {.text = "two stars", .seed = 7, .image = 2},
    {.text = "a red circle", .seed = 8},
    {.text = "a blue square", .seed = 1}};

// Neighbours have texts of other lengths, and learned or given unconditional ones.
TEST(Api, PicturesOfAListAreThoseThatPromptsHaveAlone) {
  for (const char* policy : {"full", "scalekv", "adaptive"}) {
    Pipeline pipeline = Pipeline::open();
    std::vector<Image> alone;
    for (const Prompt& prompt : kPrompts) {
      const Request request{.prompt = prompt.text,
                            .negative_prompt = prompt.negative,
                            .seed = prompt.seed,
                            .images = prompt.image + 1,
                            .cache = {.policy = policy}};
      alone.push_back(pipeline.run(request).images.back());
    }
    for (const int batch : {1, 2, 5}) {
      const Result result = pipeline.run({.batch = batch, .cache = {.policy = policy}}, kPrompts);
      EXPECT_EQ(result.images, alone) << policy << batch;
      ASSERT_EQ(result.prompts.size(), kPrompts.size());
      EXPECT_GT(result.prompts[1].tokens, result.prompts[0].tokens);
      EXPECT_EQ(result.prompts[3].tokens, result.prompts[0].tokens);
    }
  }
}

TEST(Api, AListWithoutAPromptIsRefused) {
  Pipeline pipeline = Pipeline::open();
  EXPECT_THROW(pipeline.run(Request{}, std::vector<Prompt>{}), UsageError);
  EXPECT_THROW(pipeline.run(Request{}, {{.text = "a"}, {.text = ""}}), UsageError);
  EXPECT_THROW(pipeline.run({.cfg = {1.0F}}, {{.text = "a"}, {.text = "b", .negative = "c"}}), UsageError);
}

// Texts of different lengths: the plan says what the ledger then measures, to the byte.
TEST(Api, TheMemoryPlanCoversTextsOfDifferentLengths) {
  Runtime runtime;
  const Runtime::Scope scope(runtime);
  const auto model = engine::open_model({}, {});
  for (const int batch : {1, 2, 5}) {
    const auto resolved = engine::resolve_pictures(*model, {.batch = batch, .cache = {.policy = "full"}}, kPrompts);
    std::vector<engine::TextLengths> lengths;
    for (const Prompt& prompt : kPrompts) {
      lengths.push_back({model->tokenizer->count(prompt.text),
                         prompt.negative.empty() ? 0 : model->tokenizer->count(prompt.negative)});
    }
    engine::TextTokens tokens(lengths, resolved);
    for (const std::size_t i : {0U, 1U, 2U, 4U}) tokens.encoded.push_back(lengths[i].prompt);
    tokens.encoded.insert(tokens.encoded.begin() + 2, lengths[1].negative);
    const engine::MemoryPlan plan = engine::plan_memory(*model->backend, model->sizes, resolved, tokens, false);
    const auto peaks = engine::run(*model, resolved, kPrompts).statistics.peak_bytes;
    EXPECT_EQ(peaks.at("kv"), plan.kv) << batch;
    EXPECT_EQ(peaks.at("activations"), plan.activations) << batch;
    EXPECT_EQ(peaks.at("text"), plan.text) << batch;
    model->texts.keep_only({});
  }
}

TEST(Api, PreviewsComeAfterEveryScaleAndChangeNothing) {
  Pipeline pipeline = Pipeline::open();
  const Request request{.prompt = "a red circle", .seed = 7, .images = 2, .batch = 2};
  const Result plain = pipeline.run(request);
  std::vector<Preview> seen;
  const Result result = pipeline.run(request, {},
                                     {.show =
                                          [&](const Preview& preview) {
                                            const std::int64_t cells = preview.latent_height * preview.latent_width;
                                            EXPECT_GT(cells, 0);
                                            EXPECT_EQ(std::ssize(preview.latent), cells * preview.latent_channels);
                                            seen.push_back(preview);
                                          },
                                      .pixels = 64});
  EXPECT_EQ(result.images, plain.images);
  ASSERT_EQ(seen.size(), 2U * static_cast<std::size_t>(result.statistics.scales - 1));
  for (const Preview& preview : seen) EXPECT_EQ(std::max(preview.picture.width, preview.picture.height), 64);
  EXPECT_EQ(seen[1].image, 1);
  EXPECT_EQ(seen.back().scale + 1, seen.back().scales);
  // The last one shows the picture: most of its pixels are near the mean of those that they stand for.
  const Image &small = seen[seen.size() - 2].picture, &large = result.images.front();
  double difference = 0.0;
  for (std::int64_t y = 0; y < small.height; ++y) {
    for (std::int64_t x = 0; x < small.width * 3; ++x) {
      const std::int64_t column = x / 3 * 2 * 3 + x % 3;
      const auto at = static_cast<std::size_t>(2 * y * large.width * 3 + column);
      difference += std::abs(large.rgb[at] - small.rgb[static_cast<std::size_t>(y * small.width * 3 + x)]);
    }
  }
  EXPECT_LT(difference / static_cast<double>(small.rgb.size()), 40.0);
}

TEST(Api, APlanIsWhatARunTakes) {
  const Request request{.prompt = "a red circle", .cache = {.policy = "scalekv"}};
  const Plan planned = plan({}, {}, request);
  const Statistics taken = Pipeline::open().run(request).statistics;
  EXPECT_EQ(planned.kv_bytes, taken.kv_bytes_peak);
  EXPECT_EQ(planned.kv_bytes_full, taken.kv_bytes_peak_full);
  EXPECT_EQ(planned.text_bytes, taken.peak_bytes.at("text"));
  EXPECT_TRUE(planned.fits());
  const Plan large = plan({}, {.random_architecture = "infinity-8b", .memory_limit = 10'000'000'000}, request, 32);
  EXPECT_FALSE(large.fits());
  for (const Alternative& other : large.would_fit) EXPECT_LE(other.peak_bytes, large.available_bytes);
}

TEST(Api, NamesAreThoseThatRequestsTake) {
  for (const PolicyFacts& facts : policies()) {
    if (facts.needs_calibration) {
      EXPECT_TRUE(facts.takes_calibration) << facts.name;
    }
    EXPECT_NO_THROW(plan({}, {}, {.prompt = "x", .cache = {.policy = facts.name}})) << facts.name;
  }
  for (const std::string& size : sizes())
    EXPECT_EQ(plan({}, {}, {.prompt = "x", .size = size, .cache = {.policy = "full"}}).size, size);
  for (const std::string& weights : weight_types())
    EXPECT_EQ(plan({}, {.weights = weights}, {.prompt = "x"}).weights, weights);
  for (const std::string& precision : kv_precisions())
    EXPECT_NO_THROW(plan({}, {}, {.prompt = "x", .cache = {.precision = precision}}));
  for (const std::string& selector : selectors())
    EXPECT_NO_THROW(plan({}, {}, {.prompt = "x", .cache = {.policy = "scalekv", .selector = selector}}));
  for (const std::string& name : architectures())
    EXPECT_EQ(plan({}, {.random_architecture = name}, {.prompt = "x"}).model, name);
  EXPECT_FALSE(devices().empty());
}

// Two halves with a stop between them are one calibration.
TEST(Api, ACalibrationGoesOnWhereItWasStopped) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "api-calibration";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  Pipeline pipeline = Pipeline::open();
  const std::vector<std::string> prompts = {"a red circle", "two stars"};
  const CalibrateOptions stopped{.out = folder / "stopped.json"}, whole{.out = folder / "whole.json"};
  EXPECT_THROW(calibrate(pipeline, {}, prompts, stopped, [](double, std::string_view) { return false; }), Cancelled);
  EXPECT_TRUE(std::filesystem::exists(stopped.out));
  EXPECT_EQ(calibrate(pipeline, {}, prompts, stopped).prompts, 2);
  const Calibration found =
      calibrate(pipeline, {}, prompts,
                {.out = whole.out, .policy = "adaptive", .budget = 0.04, .budgets = folder / "budgets.json"});
  const auto text = [](const std::filesystem::path& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(text(stopped.out), text(whole.out));
  EXPECT_EQ(std::ssize(found.head_selectivity), pipeline.facts().depth);
  EXPECT_NO_THROW(pipeline.generate({.prompt = "two stars", .cache = {.budgets = folder / "budgets.json"}}));
  EXPECT_THROW(calibrate(pipeline, {}, {"another"}, whole), Error);
}

// A sentence names fields, whatever the program in front calls them.
TEST(Api, ErrorsNameSettings) {
  try {
    plan({}, {}, {.prompt = "x", .cache = {.policy = "snapkv", .selector = "attention"}});
    FAIL() << "an option without effect was taken";
  } catch (const UsageError& error) {
    const std::string sentence = error.what();
    EXPECT_NE(sentence.find("leave out `selector` attention"), std::string::npos) << sentence;
    EXPECT_EQ(sentence.find("--"), std::string::npos) << sentence;
  }
}

}  // namespace
}  // namespace scalekv
