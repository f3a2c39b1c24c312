// The memory plan against the ledger, on small models of random weights.
#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include "backend/cpu.h"
#include "base/error.h"
#include "engine/measure.h"
#include "infinity/predict.h"
#include "runtime/threads.h"
#include "support/small_model.h"

namespace scalekv::engine {
namespace {

using testing::small_architecture;

struct Case {
  std::string policy = "scalekv";
  double budget = 0.1;
  int batch = 1;
  std::vector<float> cfg = {};
  std::string size = "0.06M";
  double aspect = 1.0;
  bool patchify = false;
  int guidance_layer = 0;
  std::string weights = "f32";
};

Request request_of(const Case& c) {
  return {.prompt = "any",
          .images = c.batch,
          .batch = c.batch,
          .size = c.size,
          .aspect = c.aspect,
          .cfg = c.cfg,
          .guidance_layer = c.guidance_layer,
          .cache = {.policy = c.policy, .budget = c.budget}};
}

// What `kind` had at its peak beyond what it has now.
class LedgerPeak {
 public:
  explicit LedgerPeak(MemoryKind kind) : kind_(kind), before_(ledger().current(kind)) {}
  std::int64_t bytes() const { return ledger().peak(kind_) - before_; }

 private:
  MemoryKind kind_;
  std::int64_t before_;
};

TEST(Memory, IsWhatTheLedgerSays) {
  const std::vector<Case> cases = {
      {},
      {.policy = "full"},
      {.batch = 4},
      {.batch = 9},  // sequences no longer fit into one group
      {.cfg = {1.0F}},
      {.cfg = {1, 3, 3, 1, 1, 3, 1}},
      {.policy = "h2o", .budget = 0.3, .batch = 2},
      {.policy = "snapkv", .budget = 0.5, .aspect = 1.75},
      {.policy = "streaming-llm", .size = "0.25M"},
      {.batch = 2, .patchify = true},
      {.policy = "full", .batch = 2, .guidance_layer = 2},
      {.policy = "snapkv", .budget = 0.5, .batch = 3, .weights = "int8"},
      {.size = "0.25M", .weights = "int8"},
  };
  constexpr std::int64_t kTokens = 11;
  // oneDNN fills the VAE's last convolution, 32 channels to 3, up to 8 or 16 outputs.
  constexpr double kPadding = 32 * 9 * 16 * sizeof(float);
  for (const Case& c : cases) {
    const model::Architecture architecture = small_architecture(c.patchify);
    const std::int64_t before = ledger().current(MemoryKind::weights);
    const auto weights = [&] { return static_cast<double>(ledger().current(MemoryKind::weights) - before); };
    const auto model = load_model(files_of(model::random_bundle(architecture, 5), {.weights = c.weights}));
    const model::ModelSizes& sizes = model->sizes;
    EXPECT_NEAR(weights(), static_cast<double>(sizes.weight_bytes), kPadding) << c.policy;
    const ResolvedRequest request = resolve_request(*model, request_of(c));
    const MemoryPlan plan = plan_memory(*model->backend, sizes, request, {kTokens, 0}, false);
    const LedgerPeak kv(MemoryKind::kv), activations(MemoryKind::activations), vae(MemoryKind::vae),
        text(MemoryKind::text);
    measure(*model, request, {.prompt_tokens = kTokens});
    const std::string what =
        c.policy + " " + c.size + " x " + std::to_string(c.batch) + " " + architecture.name + " " + c.weights;
    EXPECT_EQ(kv.bytes(), plan.kv) << what;
    EXPECT_EQ(activations.bytes(), plan.activations) << what;
    EXPECT_EQ(vae.bytes(), plan.vae) << what;
    EXPECT_EQ(text.bytes(), plan.text) << what;
    EXPECT_NEAR(weights(), static_cast<double>(sizes.weight_bytes), kPadding) << "the text encoder is freed";
    model->text_encoder.load();
    EXPECT_NEAR(weights(), static_cast<double>(sizes.weight_bytes + sizes.text_weight_bytes), kPadding);
  }
}

TEST(Memory, PhasesAddUpAndKeepingTheTextEncoderCosts) {
  const model::ModelSizes sizes =
      model::read_sizes(model::random_bundle(model::find_architecture("infinity-2b"), 0), "");
  const ResolvedRequest request = resolve_request(sizes, nullptr, request_of({.size = "1M"}));
  const backend::CpuBackend cpu;
  const MemoryPlan plan = plan_memory(cpu, sizes, request, {20, 0}, false);
  const MemoryPlan kept = plan_memory(cpu, sizes, request, {20, 0}, true);
  EXPECT_EQ(kept.drawing, plan.drawing + plan.text_weights);
  EXPECT_EQ(kept.decoding, plan.decoding + plan.text_weights);
  EXPECT_GE(plan.drawing, plan.weights + plan.kv + plan.activations);
  EXPECT_LT(plan.kv, plan.kv_full / 5);
}

TEST(Memory, KnowsTheReleasedSizes) {
  // Parameters as published: 2B has 2.2e9 in its transformer, 8B 8.7e9 (with what is around the blocks), and the
  // encoder of flan-t5-xl 1.2e9.
  const auto parameters = [](const formats::WeightMap& weights) {
    double sum = 0.0;
    for (const auto& [name, info] : weights.infos()) sum += static_cast<double>(info->shape.elements());
    return sum / 1e9;
  };
  const model::Bundle small = model::random_bundle(model::find_architecture("infinity-2b"), 0);
  const model::Bundle large = model::random_bundle(model::find_architecture("infinity-8b"), 0);
  EXPECT_NEAR(parameters(*small.transformer), 2.2, 0.1);
  EXPECT_NEAR(parameters(*large.transformer), 8.4, 0.3);
  EXPECT_NEAR(parameters(*small.text_encoder), 1.22, 0.02);
  // Brute force over one block of 2B: 16 C^2 in matrices, everything else below 1%.
  const double c = 2048;
  EXPECT_NEAR(parameters(*small.transformer), (32 * 16 * c * c + 6 * c * c) / 1e9, 0.04);
  for (const model::Architecture& architecture : model::known_architectures()) {
    const model::ModelSizes sizes = model::read_sizes(model::random_bundle(architecture, 0), "");
    EXPECT_EQ(sizes.name, architecture.name);
    const model::InfinityConfig& found = sizes.transformer;
    const model::InfinityConfig& known = architecture.transformer;
    EXPECT_EQ(std::tie(found.depth, found.width, found.heads, found.chunks, found.feed_forward, found.bits),
              std::tie(known.depth, known.width, known.heads, known.chunks, known.feed_forward, known.bits));
    EXPECT_EQ(found.patchify, known.patchify);
    EXPECT_EQ(sizes.pixels_per_token(), 16);
  }
  EXPECT_THROW(model::find_architecture("infinity-9b"), UsageError);
  EXPECT_EQ(model::read_sizes(model::random_bundle(model::find_architecture("infinity-8b:3"), 0), "").transformer.depth,
            3);
  for (const char* name : {"infinity-8b:", "infinity-8b:0", "infinity-8b:41", "infinity-8b:3x", "infinity:3"}) {
    EXPECT_THROW(model::find_architecture(name), UsageError) << name;
  }
}

// The image tokenizers that were published: 16 to 64 bits at stride 16, and 14 bits at stride 8 under 2x2 patches.
TEST(Memory, KnowsTheReleasedImageTokenizers) {
  const auto sizes_with = [](std::int64_t codebook, bool patchify) {
    model::Architecture architecture = model::find_architecture("layer12");
    architecture.vae.codebook = codebook;
    if (patchify) architecture.vae.decoder.multipliers = {1, 2, 4, 4};
    architecture.transformer.bits = patchify ? 4 * codebook : codebook;
    return model::read_sizes(model::random_bundle(architecture, 0), "");
  };
  for (const std::int64_t codebook : {16, 18, 20, 24, 32, 64}) {
    const model::ModelSizes sizes = sizes_with(codebook, false);
    EXPECT_EQ(sizes.vae.codebook, codebook);
    EXPECT_EQ(sizes.transformer.bits, codebook);
    EXPECT_FALSE(sizes.transformer.patchify);
    EXPECT_EQ(sizes.pixels_per_token(), 16);
  }
  const model::ModelSizes patches = sizes_with(14, true);
  EXPECT_EQ(patches.vae.stride(), 8);
  EXPECT_EQ(patches.transformer.bits, 56);
  EXPECT_TRUE(patches.transformer.patchify);
  EXPECT_EQ(patches.pixels_per_token(), 16);
}

MemoryQuestion large_question(const Case& c) {
  OpenOptions open;
  open.random_architecture = "infinity-2b";
  const auto files = open_files({}, open);
  return make_question(files, resolve_request(*files, request_of(c)));
}

TEST(Memory, LeavesOutWhatARunLeavesOut) {
  MemoryQuestion question = large_question({.policy = "scalekv", .batch = 1, .size = "0.06M"});
  const MemoryPlan whole = answer(question);
  question.text_encoder = false;
  const MemoryPlan without_text = answer(question);
  EXPECT_EQ(without_text.encoding, whole.encoding - whole.text_weights);
  EXPECT_EQ(without_text.drawing, whole.drawing);
  EXPECT_LT(without_text.peak(), whole.peak());
  question.decode = false;
  EXPECT_EQ(answer(question).peak(), std::max(without_text.encoding, without_text.drawing));
}

TEST(Memory, AdviceFitsAndIsWhatItSays) {
  MemoryQuestion question = large_question({.policy = "full", .batch = 8, .size = "1M"});
  const std::int64_t peak = answer(question).peak();
  const auto fits = what_fits(question, peak - 1);
  ASSERT_FALSE(fits.empty());
  const std::vector<Setting> half = {{"batch", "4"}};
  bool batch = false;
  for (const Alternative& alternative : fits) {
    EXPECT_LT(alternative.peak_bytes, peak) << in_words(alternative.settings);
    batch = batch || alternative.settings == half;
  }
  EXPECT_TRUE(batch);
  question.request.request.batch = question.request.request.images = 4;
  for (const Alternative& alternative : fits) {
    if (alternative.settings == half) {
      EXPECT_EQ(alternative.peak_bytes, answer(question).peak());
    }
  }
  EXPECT_TRUE(what_fits(question, 1000).empty());
}

TEST(Memory, AdvisesOnlyWeightsThatTakeLess) {
  MemoryQuestion question = large_question({.policy = "scalekv", .batch = 1, .size = "0.06M"});
  // Whether `option` is advised to one who asked for `weights` and has room for `enough`.
  const auto advised = [&](const std::string& option, const char* weights, const char* enough) {
    question.weights = enough;
    const std::int64_t available = answer(question).peak();
    question.weights = weights;
    const auto fits = what_fits(question, available);
    return std::any_of(fits.begin(), fits.end(),
                       [&](const Alternative& a) { return in_words(a.settings).starts_with(option); });
  };
  EXPECT_TRUE(advised("`weights` bf16", "f32", "bf16"));
  EXPECT_TRUE(advised("`weights` int8", "f32", "int8"));
  EXPECT_TRUE(advised("`weights` int8", "bf16", "int8"));
  EXPECT_FALSE(advised("`weights`", "int8", "int8"));
}

TEST(Memory, RefusesInOneSentence) {
  const MemoryQuestion question = large_question({.policy = "full", .batch = 8, .size = "1M"});
  const std::int64_t peak = answer(question).peak();
  EXPECT_NO_THROW(require_memory(question, peak));
  try {
    require_memory(question, peak - 1);
    FAIL() << "too much was granted";
  } catch (const Error& error) {
    const std::string sentence = error.what();
    EXPECT_NE(sentence.find("are available; it would fit with `"), std::string::npos) << sentence;
    EXPECT_EQ(sentence.find('\n'), std::string::npos);
  }
  EXPECT_THROW(require_memory(question, 1), Error);
}

TEST(Memory, RefusesBatchesThatMakeNoSense) {
  EXPECT_THROW(large_question({.batch = 2'000'000'000}), UsageError);
  const MemoryQuestion most = large_question({.batch = 100'000, .size = "1M"});
  EXPECT_GT(answer(most).peak(), std::int64_t{1} << 42);  // and no overflow
}

TEST(RandomModel, IsTheSameForASeedWhateverTheThreads) {
  const auto bytes = [](std::uint64_t seed) {
    model::Bundle bundle = model::random_bundle(small_architecture(), seed);
    const Tensor tensor = bundle.transformer->take("head.weight", {16, 48});
    const auto* first = static_cast<const char*>(tensor.raw());
    return std::string(first, first + tensor.bytes());
  };
  const std::string one = bytes(1);
  Runtime::current().set_threads(1);
  EXPECT_EQ(one, bytes(1));
  Runtime::current().set_threads(2);
  EXPECT_EQ(one, bytes(1));
  EXPECT_NE(one, bytes(2));
}

TEST(Operations, AreThoseOfTheLoopsWrittenOut) {
  const model::ModelSizes sizes = model::read_sizes(model::random_bundle(small_architecture(), 0), "");
  const Request request = request_of({.policy = "full"});
  const infinity::GenerationRequest resolved = resolve_request(sizes, nullptr, request).generation;
  const auto works = transformer_work(sizes, resolved, 1, 10);
  ASSERT_EQ(works.size(), 7U);
  double before = 0.0;
  for (std::size_t scale = 0; scale < works.size(); ++scale) {
    const auto tokens = static_cast<double>(resolved.schedule.scales[scale].tokens());
    const double rows = 2 * tokens;  // guided
    // Layers: qkv, two outputs and the cross query, feed-forward; then the head, and the embedding of one half.
    const double matrices = 4 * (48.0 * 144 + 3 * 48 * 48 + 2 * 48 * 256) + 48 * 16;
    EXPECT_DOUBLE_EQ(works[scale].linear.operations, 2 * rows * matrices + (scale > 0 ? 2 * tokens * 8 * 48 : 0));
    EXPECT_DOUBLE_EQ(works[scale].attention.operations, 4 * 4 * rows * (before + tokens) * 48);
    EXPECT_DOUBLE_EQ(works[scale].cross_attention.operations, 4 * 4 * rows * 10 * 48);
    EXPECT_EQ(works[scale].selection.operations, 0.0);
    before += tokens;
  }
}

// The library's requests are checked as the command line's are.
TEST(Memory, RatiosBeyondTheTableAreRefused) {
  const model::Architecture small = small_architecture();
  const model::Bundle bundle = model::random_bundle(small, 3);
  const model::ModelSizes sizes = model::read_sizes(bundle, "");
  for (const double fits : {1.0, 3.0, 0.333})
    EXPECT_NO_THROW(resolve_request(sizes, nullptr, request_of({.aspect = fits}))) << fits;
  for (const double beyond : {4.0, 0.25, 0.0, -1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_THROW(resolve_request(sizes, nullptr, request_of({.aspect = beyond})), UsageError) << beyond;
  }
}

}  // namespace
}  // namespace scalekv::engine
