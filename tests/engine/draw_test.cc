#include "engine/draw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/threads.h"
#include "support/random_source.h"
#include "support/small_generation.h"

namespace scalekv::engine {
namespace {

using testing::draw;
using testing::full_request;
using testing::request;
using testing::same;
using testing::small_config;
using testing::small_transformer;
using testing::SmallRequest;
using testing::text;

// Of the full cache; policies_test.cc has the same of every policy.
TEST(Draw, ThreadsAndBatchChangeNothing) {
  const int before = threads();
  Runtime::current().set_threads(1);
  const Drawn together = draw(small_transformer(), full_request(0, 4));
  Runtime::current().set_threads(2);
  const Drawn threaded = draw(small_transformer(), full_request(0, 4));
  for (int i = 0; i < 4; ++i) {
    const Drawn alone = draw(small_transformer(), full_request(i, 1));
    EXPECT_TRUE(same(alone.latents[0], together.latents[static_cast<std::size_t>(i)])) << i;
    EXPECT_TRUE(same(alone.latents[0], threaded.latents[static_cast<std::size_t>(i)])) << i;
  }
  EXPECT_FALSE(same(together.latents[0], together.latents[1]));
  Runtime::current().set_threads(before);
}

TEST(Draw, NothingLeaksIntoTheNextImage) {
  const Drawn first = draw(small_transformer(), request(0, 1, "scalekv", 0.1));
  EXPECT_THROW(
      draw(small_transformer(), request(0, 1, "scalekv", 0.1), {.progress = [](int scale) { return scale < 3; }}),
      Cancelled);
  EXPECT_TRUE(same(first.latents[0], draw(small_transformer(), request(0, 1, "scalekv", 0.1)).latents[0]));
}

TEST(Draw, AWeightThatIsNoNumberIsNoPicture) {
  auto source = testing::random_transformer_source(small_config());
  source->spoil(model::block_prefix(small_config(), 2) + "ffn.fc1.weight", std::numeric_limits<float>::quiet_NaN());
  const backend::CpuBackend transformer =
      testing::transformer_of(small_config(), formats::WeightMap(source, "", "transformer"));
  try {
    draw(transformer, request(0, 1, "full", 1.0));
    FAIL() << "a picture was made of NaN";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("`inspect` with `check`"), std::string::npos) << error.what();
  }
}

// A cache of codes must not turn what is no number into one.
TEST(Draw, NoPrecisionHidesAValueThatIsNoNumber) {
  auto source = testing::random_transformer_source(small_config());
  const std::int64_t first_value_row = 2 * small_config().width * small_config().width;
  source->spoil(model::block_prefix(small_config(), 2) + "sa.mat_qkv.weight", std::numeric_limits<float>::quiet_NaN(),
                first_value_row);
  const backend::CpuBackend transformer =
      testing::transformer_of(small_config(), formats::WeightMap(source, "", "transformer"));
  for (const auto precision : {kernels::KvPrecision::f32, kernels::KvPrecision::bf16, kernels::KvPrecision::int8}) {
    SmallRequest made = request(0, 1, "scalekv", 0.1);
    made.kv = precision;
    EXPECT_THROW(draw(transformer, made), Error) << kernels::kv_precision_name(precision);
  }
}

TEST(Draw, ForcedBitsComeBackAndKeptIndicesAreSound) {
  const Drawn drawn = draw(small_transformer(), request(1, 1, "scalekv", 0.1));
  SmallRequest forced = request(1, 1, "scalekv", 0.1);
  forced.forced = &drawn.bits;
  int selections = 0;
  Observers observers;
  observers.session.kept = [&](int, int, std::int64_t, int, std::span<const std::int32_t> kept) {
    ++selections;
    EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    EXPECT_EQ(std::set(kept.begin(), kept.end()).size(), kept.size());
  };
  EXPECT_TRUE(same(drawn.latents[0], draw(small_transformer(), forced, observers).latents[0]));
  EXPECT_GT(selections, 0);
}

// A folded token weighs as many tokens as it stands for: with all that was dropped, as many as there ever were.
TEST(Draw, FoldedTokensStandForAllThatWasDropped) {
  const SmallRequest made = request(0, 2, "adaptive", 0.2);
  const cache::CacheGeometry geometry = infinity::cache_geometry(small_config(), made.schedule);
  int folded = 0;
  Observers observers;
  observers.session.attention = [&](int scale, int, std::span<const kernels::AttentionHead> work) {
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
  draw(small_transformer(), made, observers);
  EXPECT_GT(folded, 0);
}

TEST(Draw, GuidanceInsideALayerAndNegativePrompts) {
  SmallRequest inside = request(0, 2, "full", 1.0);
  inside.guidance_layer = 2;
  SmallRequest negative = request(0, 2, "full", 1.0);
  negative.negative.push_back(text(5, 40));
  negative.negative.emplace_back();
  const Drawn plain = draw(small_transformer(), request(0, 2, "full", 1.0));
  EXPECT_FALSE(same(plain.latents[0], draw(small_transformer(), inside).latents[0]));
  const Drawn avoided = draw(small_transformer(), negative);
  EXPECT_FALSE(same(plain.latents[0], avoided.latents[0]));
  EXPECT_TRUE(same(plain.latents[1], avoided.latents[1]));
}

// "kept" and "attention" of every layer come first at a scale, then logits, preview and progress.
TEST(Draw, ObserversAreCalledInOrder) {
  const SmallRequest made = request(0, 2, "scalekv", 0.1);
  std::vector<std::string> calls;
  const auto note = [&](const char* what, int scale) {
    const std::string call = what + std::to_string(scale);
    if (calls.empty() || calls.back() != call) calls.push_back(call);
  };
  Observers observers;
  observers.session.attention = [&](int scale, int, std::span<const kernels::AttentionHead>) {
    note("session", scale);
  };
  observers.session.kept = [&](int scale, int, std::int64_t, int, std::span<const std::int32_t>) {
    note("session", scale);
  };
  observers.logits = [&](int scale, View<const float> logits) {
    note("logits", scale);
    const std::int64_t tokens = made.schedule.scales[static_cast<std::size_t>(scale)].tokens();
    EXPECT_EQ(logits.shape(), (Shape{2 * tokens, 2 * small_config().bits}));
  };
  observers.preview = [&](int scale, const std::vector<Tensor>& latents) {
    note("preview", scale);
    ASSERT_EQ(latents.size(), 2U);
    const MapSize last = made.schedule.scales.back();
    for (const Tensor& latent : latents)
      EXPECT_EQ(latent.shape(), (Shape{last.height, last.width, small_config().bits}));
  };
  observers.progress = [&](int scale) {
    note("progress", scale);
    return true;
  };
  const Drawn watched = draw(small_transformer(), made, observers);
  std::vector<std::string> expected;
  for (int scale = 0; scale < std::ssize(made.schedule.scales); ++scale) {
    for (const char* what : {"session", "logits", "preview", "progress"}) {
      expected.push_back(what + std::to_string(scale));
    }
  }
  EXPECT_EQ(calls, expected);
  EXPECT_TRUE(same(watched.latents[1], draw(small_transformer(), made).latents[1])) << "looking on changes nothing";
}

TEST(Draw, ThePreviewOfTheLastScaleIsTheResult) {
  Tensor last;
  Observers observers;
  observers.preview = [&](int, const std::vector<Tensor>& latents) { last = latents.front().clone(MemoryKind::other); };
  const Drawn drawn = draw(small_transformer(), request(0, 1, "full", 1.0), observers);
  EXPECT_TRUE(same(last, drawn.latents.front()));
}

TEST(Draw, CancelStopsAfterItsScaleAndGivesEverythingBack) {
  const auto held = [] {
    return std::array{ledger().current(MemoryKind::kv), ledger().current(MemoryKind::activations)};
  };
  const auto before = held();
  int logits = 0, previews = 0;
  Observers observers;
  observers.logits = [&](int, View<const float>) { ++logits; };
  observers.preview = [&](int, const std::vector<Tensor>&) { ++previews; };
  observers.progress = [](int scale) { return scale < 2; };
  EXPECT_THROW(draw(small_transformer(), request(0, 1, "scalekv", 0.1), observers), Cancelled);
  EXPECT_EQ(logits, 3);
  EXPECT_EQ(previews, 3);
  EXPECT_EQ(held(), before);
}

TEST(Draw, RefusesListsOfTheWrongLength) {
  SmallRequest wrong = request(0, 1, "full", 1.0);
  wrong.cfg.pop_back();
  EXPECT_THROW(draw(small_transformer(), wrong), UsageError);
  SmallRequest deep = request(0, 1, "full", 1.0);
  deep.guidance_layer = 4;
  EXPECT_THROW(draw(small_transformer(), deep), UsageError);
}

}  // namespace
}  // namespace scalekv::engine
