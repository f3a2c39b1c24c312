#include "infinity/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "base/error.h"
#include "runtime/threads.h"
#include "support/random_source.h"
#include "support/small_generation.h"

namespace scalekv::infinity {
namespace {

using testing::request;
using testing::same;
using testing::small_config;
using testing::small_transformer;
using testing::text;

double difference(const Tensor& a, const Tensor& b) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < a.elements(); ++i)
    sum += std::abs(a.view<float>().data()[i] - b.view<float>().data()[i]);
  return sum / static_cast<double>(a.elements());
}

TEST(Generator, ThreadsAndBatchChangeNothing) {
  const int before = threads();
  for (const char* policy : {"full", "scalekv"}) {
    set_threads(1);
    const Generation together = generate(small_transformer(), request(0, 4, policy, 0.1));
    set_threads(2);
    const Generation threaded = generate(small_transformer(), request(0, 4, policy, 0.1));
    for (int i = 0; i < 4; ++i) {
      const Generation alone = generate(small_transformer(), request(i, 1, policy, 0.1));
      EXPECT_TRUE(same(alone.latents[0], together.latents[static_cast<std::size_t>(i)])) << policy << i;
      EXPECT_TRUE(same(alone.latents[0], threaded.latents[static_cast<std::size_t>(i)])) << policy << i;
    }
    EXPECT_FALSE(same(together.latents[0], together.latents[1]));
  }
  set_threads(before);
}

TEST(Generator, NothingLeaksIntoTheNextImage) {
  const Generation first = generate(small_transformer(), request(0, 1, "scalekv", 0.1));
  EXPECT_THROW(
      generate(
          small_transformer(), request(0, 1, "scalekv", 0.1),
          {.progress = [](int scale, const std::vector<Tensor>&) { return scale < 3; }, .tap = {}, .observer = {}}),
      Cancelled);
  EXPECT_TRUE(same(first.latents[0], generate(small_transformer(), request(0, 1, "scalekv", 0.1)).latents[0]));
}

TEST(Generator, AWeightThatIsNoNumberIsNoPicture) {
  auto source = testing::random_transformer_source(small_config());
  source->spoil(model::block_prefix(small_config(), 2) + "ffn.fc1.weight", std::numeric_limits<float>::quiet_NaN());
  formats::WeightMap weights(source, "", "transformer");
  const Transformer transformer(small_config(), weights);
  try {
    generate(transformer, request(0, 1, "full", 1.0));
    FAIL() << "a picture was made of NaN";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("inspect --check"), std::string::npos) << error.what();
  }
}

// A cache of codes must not turn what is no number into one.
TEST(Generator, NoPrecisionHidesAValueThatIsNoNumber) {
  auto source = testing::random_transformer_source(small_config());
  const std::int64_t first_value_row = 2 * small_config().width * small_config().width;
  source->spoil(model::block_prefix(small_config(), 2) + "sa.mat_qkv.weight", std::numeric_limits<float>::quiet_NaN(),
                first_value_row);
  formats::WeightMap weights(source, "", "transformer");
  const Transformer transformer(small_config(), weights);
  for (const auto precision : {kernels::KvPrecision::f32, kernels::KvPrecision::bf16, kernels::KvPrecision::int8}) {
    GenerationRequest made = request(0, 1, "scalekv", 0.1);
    made.kv = precision;
    EXPECT_THROW(generate(transformer, made), Error) << kernels::kv_precision_name(precision);
  }
}

TEST(Generator, AWholeBudgetIsTheFullCache) {
  for (const double aspect : {1.0, 1.333, 0.4}) {
    const Generation full = generate(small_transformer(), request(0, 1, "full", 1.0, "0.06M", aspect));
    const Generation whole = generate(small_transformer(), request(0, 1, "scalekv", 1.0, "0.06M", aspect));
    EXPECT_TRUE(same(full.latents[0], whole.latents[0])) << aspect;
  }
  const Generation full = generate(small_transformer(), request(0, 1, "full", 1.0));
  const Generation tenth = generate(small_transformer(), request(0, 1, "scalekv", 0.1));
  EXPECT_GT(difference(full.latents[0], tenth.latents[0]), 1e-3);  // and a tenth of it is not
}

// The formula of docs/ALGORITHM.md, summed here layer by layer: while layer l compresses after scale s, the layers up
// to l hold the budgets of the next scale, those after it still this one's, and one sequence's map is in the scratch.
std::int64_t budget_formula(const cache::KeepPlan& plan, std::int64_t sequences) {
  const cache::CacheGeometry& geometry = plan.geometry();
  std::int64_t peak = 0;
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    const std::int64_t group = sequence_groups(geometry.scales, sequences)[static_cast<std::size_t>(scale)];
    for (int layer = 0; layer < geometry.layers; ++layer) {
      std::int64_t tokens = 0;
      for (int other = 0; other < geometry.layers; ++other) {
        const auto before = plan.before(scale, other, 0), after = plan.after(scale, other, 0);
        tokens += other == layer ? std::max(before, after) : other < layer ? after : before;
      }
      peak = std::max(peak, sequences * tokens + (plan.any_scratch(scale) ? group * geometry.map_tokens(scale) : 0));
    }
  }
  return peak * 2 * geometry.heads * geometry.head_size * static_cast<std::int64_t>(sizeof(float));
}

TEST(Generator, LedgerPeakIsTheFormulaOnThirteenScales) {
  const GenerationRequest made = request(0, 1, "scalekv", 0.10, "1M");
  const cache::CacheGeometry geometry = cache_geometry(small_config(), made.schedule);
  const cache::KeepPlan plan(geometry, made.policy.budget);
  ledger().reset_peaks();
  const std::int64_t before = ledger().current(MemoryKind::kv);
  generate(small_transformer(), made);
  const std::int64_t peak = ledger().peak(MemoryKind::kv) - before;
  EXPECT_EQ(peak, budget_formula(plan, 2));
  // Sum of budgets (650 tokens a layer on average) plus one layer's current map, both guidance halves.
  const std::int64_t token = 2 * 48 * static_cast<std::int64_t>(sizeof(float));
  EXPECT_LE(peak, 2 * (4 * 650 + 4096) * token);
  EXPECT_EQ(ledger().current(MemoryKind::kv), before);
}

TEST(Generator, ForcedBitsComeBackAndKeptIndicesAreSound) {
  const Generation drawn = generate(small_transformer(), request(1, 1, "scalekv", 0.1));
  GenerationRequest forced = request(1, 1, "scalekv", 0.1);
  forced.forced = &drawn.bits;
  int selections = 0;
  GenerationHooks hooks;
  hooks.observer = [&](int, int, std::int64_t, int, std::span<const std::int32_t> kept) {
    ++selections;
    EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    EXPECT_EQ(std::set(kept.begin(), kept.end()).size(), kept.size());
  };
  EXPECT_TRUE(same(drawn.latents[0], generate(small_transformer(), forced, hooks).latents[0]));
  EXPECT_GT(selections, 0);
}

// A folded token weighs as many tokens as it stands for: with all that was dropped, as many as there ever were.
TEST(Generator, FoldedTokensStandForAllThatWasDropped) {
  const GenerationRequest made = request(0, 2, "adaptive", 0.2);
  const cache::CacheGeometry geometry = cache_geometry(small_config(), made.schedule);
  int folded = 0;
  GenerationHooks hooks;
  hooks.attention_observer = [&](int scale, int, std::span<const kernels::AttentionHead> work) {
    for (const kernels::AttentionHead& head : work) {
      const std::int64_t tokens = head.segments[0].count + head.segments[1].count;
      double stands_for = head.bias == nullptr ? static_cast<double>(tokens) : 0.0;
      for (std::int64_t j = 0; head.bias != nullptr && j < tokens; ++j) {
        stands_for += std::exp(static_cast<double>(head.bias[j]));
      }
      if (head.segments[0].count == 0) continue;  // nothing was kept, nor folded
      folded += head.bias == nullptr ? 0 : 1;
      EXPECT_NEAR(stands_for, static_cast<double>(geometry.tokens_before(scale + 1)), 1e-2);
    }
  };
  generate(small_transformer(), made, hooks);
  EXPECT_GT(folded, 0);
}

TEST(Generator, GuidanceInsideALayerAndNegativePrompts) {
  GenerationRequest inside = request(0, 2, "full", 1.0);
  inside.guidance_layer = 2;
  GenerationRequest negative = request(0, 2, "full", 1.0);
  negative.negative.push_back(text(5, 40));
  negative.negative.emplace_back();
  const Generation plain = generate(small_transformer(), request(0, 2, "full", 1.0));
  EXPECT_FALSE(same(plain.latents[0], generate(small_transformer(), inside).latents[0]));
  const Generation avoided = generate(small_transformer(), negative);
  EXPECT_FALSE(same(plain.latents[0], avoided.latents[0]));
  EXPECT_TRUE(same(plain.latents[1], avoided.latents[1]));
}

TEST(Generator, RefusesListsOfTheWrongLength) {
  GenerationRequest wrong = request(0, 1, "full", 1.0);
  wrong.cfg.pop_back();
  EXPECT_THROW(generate(small_transformer(), wrong), UsageError);
  GenerationRequest deep = request(0, 1, "full", 1.0);
  deep.guidance_layer = 4;
  EXPECT_THROW(generate(small_transformer(), deep), UsageError);
}

TEST(Config, InferredFromShapes) {
  for (const std::int64_t codebook : {8, 2}) {
    const model::InfinityConfig config =
        model::infer_infinity_config(testing::random_transformer(small_config()), codebook);
    EXPECT_EQ(config.depth, 4);
    EXPECT_EQ(config.heads, 3);
    EXPECT_EQ(config.chunks, 2);
    EXPECT_EQ(config.feed_forward, 256);
    EXPECT_EQ(config.patchify, codebook == 2);
  }
  EXPECT_THROW(static_cast<void>(model::infer_infinity_config(testing::random_transformer(small_config()), 5)), Error);
}

}  // namespace
}  // namespace scalekv::infinity
