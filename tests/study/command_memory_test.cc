// What commands ask for before they load the embedded model, against what the ledger sees of them.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/calibrate.h"
#include "engine/measure.h"
#include "engine/memory_plan.h"
#include "engine/run.h"
#include "runtime/ledger.h"
#include "study/evaluation.h"

namespace scalekv::study {
namespace {

using engine::MemoryQuestion;

// What kernels need while they run is in the ledger and not in the plan: a few hundred KiB a thread.
constexpr double kTolerance = 0.02;

void expect_near(std::int64_t seen, std::int64_t planned) {
  EXPECT_NEAR(static_cast<double>(seen), static_cast<double>(planned), kTolerance * static_cast<double>(planned));
}

Request request_of(const char* policy) { return {.prompt = "a red circle", .cache = {.policy = policy}}; }

MemoryQuestion question_of(const Request& request, const OpenOptions& options = {},
                           const std::vector<std::string>& prompts = {}, int scales = 0) {
  const auto files = engine::open_files({}, options);
  return engine::make_question(files, engine::resolve_request(*files, request, scales), prompts);
}

TEST(CommandMemory, AnEvaluationHoldsTwoRuns) {
  const auto model = engine::open_model({}, {});
  for (const char* policy : {"full", "scalekv"}) {
    MemoryQuestion question = question_of(request_of(policy));
    question.held = Evaluation::held_bytes(question.files->sizes.transformer, question.request.generation.schedule);
    EXPECT_GT(question.held, 0);
    const Evaluation evaluation(*model, request_of("full"), {{"a red circle"}, {}});
    evaluation.run(0, {{policy, 0.10}}, [](const Sample&, const Image&) {});
    expect_near(ledger().peak_total(),
                engine::answer(question).peak());  // of the last setting: run() begins anew there
  }
}

TEST(CommandMemory, ACalibrationDrawsWithTheFullCacheAndDecodesNothing) {
  const auto model = engine::open_model({}, {});
  MemoryQuestion question = question_of(request_of("full"));
  question.decode = false;
  const auto request = engine::resolve_calibration(*question.files, request_of("scalekv"));
  cache::Calibration calibration = engine::empty_calibration(*model, request);
  ledger().reset_peaks();
  engine::calibrate(*model, request, {"a red circle"}, calibration, [] { return true; });
  expect_near(ledger().peak_total(), engine::answer(question).peak());
}

TEST(CommandMemory, AReconstructionEncodesAndDecodes) {
  const auto model = engine::open_model({}, {});
  for (const auto& [width, height] : {std::pair(128, 128), std::pair(700, 500)}) {
    const Image picture{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3), 90)};
    const MemoryKind kind = MemoryKind::vae;
    const std::int64_t before = ledger().current(kind);
    ledger().reset_peaks();
    engine::reconstruct(*model, picture, "");
    expect_near(ledger().peak(kind) - before,
                engine::answer(engine::make_reconstruction_question(engine::open_files({}, {}), picture, "")).vae);
  }
  OpenOptions little;
  little.memory_limit = ledger().current_total() + 1'000'000;
  Pipeline limited = Pipeline::open({}, little);
  EXPECT_THROW(limited.reconstruct({128, 128, std::vector<std::uint8_t>(128 * 128 * 3)}), Error);
}

TEST(CommandMemory, AMeasurementOfTheFirstScalesIsThatOfThem) {
  const auto model = engine::open_model({}, {});
  for (const int scales : {1, 3, 0}) {
    const MemoryQuestion question = question_of(request_of("scalekv"), {}, {}, scales);
    const auto measured = engine::measure(*model, question.request, {});
    EXPECT_EQ(measured.kv_bytes_peak, engine::answer(question).kv) << scales;
  }
}

TEST(CommandMemory, TheTextEncoderStaysWhereItIsToBeKept) {
  for (const bool keep : {false, true}) {
    const auto model = engine::open_model({}, {.keep_text_encoder = keep});
    const std::int64_t before = ledger().current(MemoryKind::weights);
    const auto request = engine::resolve_request(*model, request_of("full"));
    cache::Calibration calibration = engine::empty_calibration(*model, request);
    engine::calibrate(*model, request, {"a red circle"}, calibration, [] { return true; });
    EXPECT_EQ(ledger().current(MemoryKind::weights) > before, keep);
  }
}

TEST(CommandMemory, TheLongestPromptIsAskedFor) {
  const auto tokens = [](const Request& request, std::vector<std::string> prompts = {}) {
    return question_of(request, {}, prompts).texts.prompt;
  };
  const std::int64_t one = tokens({.prompt = "a red man"});
  EXPECT_GE(tokens({.prompt = "a red man", .face_prompt = true}), one + 10);
  EXPECT_EQ(tokens({.prompt = "a red circle", .face_prompt = true}), tokens({.prompt = "a red circle"}));
  EXPECT_EQ(tokens({.prompt = "any"}, {"red", "a red man", "a"}), one);
  EXPECT_GT(tokens({.prompt = "any", .face_prompt = true}, {"a red circle and a blue square", "a red man"}), one + 10);
}

TEST(CommandMemory, AdviceLeavesOutWhatACommandLacks) {
  MemoryQuestion question = question_of(request_of("full"), {.keep_text_encoder = true});
  const std::int64_t available = engine::answer(question).peak() - 1;
  const auto advised = [&](const char* option) {
    const auto fits = engine::what_fits(question, available);
    return std::any_of(fits.begin(), fits.end(), [&](const auto& one) {
      return engine::in_words(one.settings).find(option) != std::string::npos;
    });
  };
  for (const char* option : {"`precision`", "`weights`", "`budget`", "no `keep_text_encoder`"})
    EXPECT_TRUE(advised(option));
  question.not_advised = {"precision", "budget", "keep_text_encoder"};
  EXPECT_TRUE(advised("`weights`"));
  for (const std::string& option : question.not_advised) EXPECT_FALSE(advised(option.c_str())) << option;
}

}  // namespace
}  // namespace scalekv::study
