// The engine's logits against the transformer written plainly (support/plain_transformer.h).
#include "engine/draw.h"

#include <gtest/gtest.h>

#include <cmath>

#include "infinity/latent.h"
#include "support/plain_transformer.h"
#include "support/small_generation.h"

namespace scalekv::engine {
namespace {

using testing::PlainTransformer;
using testing::random_transformer_source;
using testing::small_config;
using testing::SmallRequest;

model::InfinityConfig shallow_config() {
  model::InfinityConfig config = small_config();
  config.depth = 3;
  config.chunks = 0;
  return config;
}

// Two images of different texts on a schedule of four scales that is not square; every scale has guidance and
// temperature of its own, guidance is off at one.
SmallRequest small_request() {
  SmallRequest made = testing::full_request(0, 2, "0.06M", 1.5);
  made.schedule.scales.resize(4);
  made.cfg = {3.0F, 1.0F, 2.0F, 4.0F};
  made.tau = {0.5F, 0.8F, 1.0F, 1.25F};
  return made;
}

BitMaps any_bits(const model::InfinityConfig& config, const SmallRequest& request) {
  BitMaps bits;
  for (std::size_t scale = 0; scale < request.schedule.scales.size(); ++scale) {
    const MapSize cells = infinity::latent_size(config, request.schedule.scales[scale]);
    bits.emplace_back();
    for (std::size_t image = 0; image < request.texts.size(); ++image) {
      Tensor map(DType::u8, {cells.height, cells.width, infinity::codebook(config)}, MemoryKind::other);
      for (std::int64_t i = 0; i < map.elements(); ++i) {
        const RandomSite site{static_cast<std::uint32_t>(image), static_cast<std::uint32_t>(scale),
                              static_cast<std::uint32_t>(i), 0};
        map.view<std::uint8_t>().data()[i] = uniform(4, site) < 0.5F ? 0 : 1;
      }
      bits.back().push_back(std::move(map));
    }
  }
  return bits;
}

// The relative error of the logits, at worst of a scale.
double worst_error(const model::InfinityConfig& config, const std::shared_ptr<testing::RandomSource>& source,
                   SmallRequest&& request) {
  const backend::CpuBackend transformer =
      testing::transformer_of(config, formats::WeightMap(source, "", "transformer"));
  const BitMaps bits = any_bits(config, request);
  request.forced = &bits;
  const std::vector<PlainTransformer::Rows> expected = PlainTransformer(config, *source).logits(request);
  double worst = 0.0;
  std::size_t compared = 0;
  Observers observers;
  observers.logits = [&](int, View<const float> value) {
    const PlainTransformer::Rows& rows = expected[compared++];
    ASSERT_EQ(value.shape(), (Shape{std::ssize(rows), std::ssize(rows.front())}));
    double difference = 0.0, norm = 0.0;
    for (std::int64_t i = 0; i < value.elements(); ++i) {
      const double wanted =
          rows[static_cast<std::size_t>(i / value.size(1))][static_cast<std::size_t>(i % value.size(1))];
      difference += (value.data()[i] - wanted) * (value.data()[i] - wanted);
      norm += wanted * wanted;
    }
    worst = std::max(worst, std::sqrt(difference / norm));
  };
  draw(transformer, request, observers);
  EXPECT_EQ(compared, expected.size());
  return worst;
}

constexpr double kNear = 2e-5;

TEST(Transformer, LogitsAreThoseOfTheFormulas) {
  EXPECT_LE(worst_error(shallow_config(), random_transformer_source(shallow_config()), small_request()), kNear);
}

TEST(Transformer, LogitsOfGuidanceInsideAndNegativeTexts) {
  SmallRequest request = small_request();
  request.guidance_layer = 2;
  request.negative.push_back(testing::text(5, 40));
  request.negative.emplace_back();
  EXPECT_LE(worst_error(shallow_config(), random_transformer_source(shallow_config()), std::move(request)), kNear);
}

TEST(Transformer, LogitsWithPatches) {
  model::InfinityConfig config = shallow_config();
  config.patchify = true;
  EXPECT_LE(worst_error(config, random_transformer_source(config), small_request()), kNear);
}

// exp(4.4) is below the limit of 100, exp(4.7) and exp(6) are above.
TEST(Transformer, QueryScalesStopAtAHundred) {
  const auto source = random_transformer_source(shallow_config());
  for (std::int64_t layer = 0; layer < shallow_config().depth; ++layer) {
    const std::string name = model::block_prefix(shallow_config(), layer) + "sa.scale_mul_1H11";
    for (const auto& [head, value] : {std::pair{0, 4.4F}, {1, 4.7F}, {2, 6.0F}}) source->spoil(name, value, head);
  }
  EXPECT_LE(worst_error(shallow_config(), source, small_request()), kNear);
}

// With numbers of a thousandth, what the norms add to the variance is as much as the variance.
TEST(Transformer, FaintNumbersShowTheNormsEpsilons) {
  const auto source = random_transformer_source(shallow_config());
  const auto fade = [&](const std::string& name) {
    source->multiply(name + ".weight", 1e-3F);
    if (source->find(name + ".bias") != nullptr) source->multiply(name + ".bias", 1e-3F);
  };
  source->multiply("pos_start", 1e-3F);
  source->multiply("cfg_uncond", 1e-3F);
  for (const char* name : {"lvl_embed", "word_embed", "text_proj_for_sos.ca.proj"}) fade(name);
  for (std::int64_t layer = 0; layer < shallow_config().depth; ++layer) {
    for (const char* part : {"sa.proj", "ca.proj", "ffn.fc2"})
      fade(model::block_prefix(shallow_config(), layer) + part);
  }
  SmallRequest request = small_request();
  for (Tensor& text : request.texts) {
    for (std::int64_t i = 0; i < text.elements(); ++i) text.view<float>().data()[i] *= 1e-3F;
  }
  EXPECT_LE(worst_error(shallow_config(), source, std::move(request)), kNear);
}

}  // namespace
}  // namespace scalekv::engine
