// Encoder, decoder and their configuration. That their values are the reference's is what check-golden tells.
#include <gtest/gtest.h>

#include <cmath>

#include "model/sizes.h"
#include "runtime/threads.h"
#include "support/failure.h"
#include "vae/coder.h"
#include "vae/small_vae.h"

namespace scalekv::vae {
namespace {

using testing::failure_of;

constexpr std::int64_t kHeight = 5;
constexpr std::int64_t kWidth = 3;

Tensor filled_map(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Tensor map(DType::f32, {height, width, channels}, MemoryKind::other);
  for (std::int64_t i = 0; i < map.elements(); ++i) {
    map.view<float>().data()[i] = 3.0F * std::sin(static_cast<float>(i));
  }
  return map;
}

void build_decoder(const std::shared_ptr<SmallVae>& vae) {
  formats::WeightMap weights = SmallVae::open(vae);
  const Decoder decoder(model::infer_vae_config(weights), weights);
}

TEST(VaeConfig, IsReadOffTheShapes) {
  const model::VaeConfig config = model::infer_vae_config(SmallVae::open(std::make_shared<SmallVae>()));
  EXPECT_EQ(config.codebook, kCodebook);
  EXPECT_EQ(config.decoder.base, kBase);
  EXPECT_EQ(config.decoder.multipliers, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(config.encoder.blocks, 2);
  EXPECT_EQ(config.decoder.blocks, 3);
  EXPECT_EQ(config.stride(), 2);
}

// Each half has the channels that its own tensors say, and runs in the memory that follows from them.
TEST(VaeConfig, TheHalvesMayDiffer) {
  using Multiples = std::pair<std::int64_t, std::int64_t>;
  for (const auto& [base, multiples] : {std::pair<std::int64_t, Multiples>{kBase, {1, 1}},
                                        {kBase, {1, 4}},
                                        {kBase, {2, 4}},
                                        {kBase, {2, 1}},
                                        {2 * kBase, {1, 2}},
                                        {32, {3, 2}}}) {
    formats::WeightMap weights = SmallVae::open(std::make_shared<SmallVae>(base, multiples));
    const model::VaeConfig config = model::infer_vae_config(weights);
    EXPECT_EQ(config.encoder.base, base);
    EXPECT_EQ(config.encoder.multipliers, (std::vector<std::int64_t>{multiples.first, multiples.second}));
    EXPECT_EQ(config.decoder.base, kBase);
    EXPECT_EQ(config.decoder.multipliers, (std::vector<std::int64_t>{1, 2}));
    const Decoder decoder(config, weights);
    const Encoder encoder(config, weights);
    EXPECT_NO_THROW(weights.expect_all_used());
    const Tensor image = filled_map(12, 8, 3);
    ledger().reset_peaks();
    const std::int64_t before = ledger().current(MemoryKind::vae);
    EXPECT_EQ(encoder.encode(image.view<float>()).shape(), (Shape{6, 4, kCodebook}));
    EXPECT_EQ(ledger().peak(MemoryKind::vae) - before, Encoder::predict_bytes(config, 12, 8));
  }
}

TEST(VaeConfig, HalvesOfDifferentVaesAreRefused) {
  const auto failure = [](const std::shared_ptr<SmallVae>& vae) {
    return failure_of([&] { model::infer_vae_config(SmallVae::open(vae)); });
  };
  const auto shallow = std::make_shared<SmallVae>();
  for (const char* block : {"encoder.down.1.block.0.conv1.conv.weight", "encoder.down.1.block.1.conv1.conv.weight"})
    shallow->remove(block);
  EXPECT_TRUE(testing::mentions(failure(shallow), {"encoder has 1 levels", "decoder 2"}));
  const auto uneven = std::make_shared<SmallVae>();
  uneven->reshape("encoder.conv_in.conv.weight", {7, 3, 3, 3});
  EXPECT_TRUE(testing::mentions(failure(uneven), {"encoder.down.0 has 24 channels", "7"}));
  const auto flat = std::make_shared<SmallVae>();
  flat->reshape("encoder.conv_in.conv.weight", {24, 3});
  EXPECT_TRUE(testing::mentions(failure(flat), {"encoder.conv_in", "no convolution"}));
}

class CoderTest : public ::testing::Test {
 protected:
  CoderTest() : weights_(SmallVae::open(std::make_shared<SmallVae>())), config_(model::infer_vae_config(weights_)) {}

  formats::WeightMap weights_;
  model::VaeConfig config_;
  Decoder decoder_{config_, weights_};
  Encoder encoder_{config_, weights_};
};

TEST_F(CoderTest, TakeEveryTensor) { EXPECT_NO_THROW(weights_.expect_all_used()); }

TEST_F(CoderTest, ShapesAndStages) {
  const Tensor latent = filled_map(kHeight, kWidth, kCodebook);
  std::map<std::string, Shape, std::less<>> stages;
  const Tap tap = [&](std::string_view stage, View<const float> map) { stages.emplace(stage, map.shape()); };
  EXPECT_EQ(decoder_.decode(latent.view<float>(), false, tap).shape(), (Shape{2 * kHeight, 2 * kWidth, 3}));
  EXPECT_EQ(stages.at("conv_in"), (Shape{kHeight, kWidth, 2 * kBase}));
  EXPECT_EQ(stages.at("up_last_upsample"), (Shape{2 * kHeight, 2 * kWidth, 2 * kBase}));
  EXPECT_EQ(stages.at("raw"), (Shape{2 * kHeight, 2 * kWidth, 3}));

  stages.clear();
  const Tensor image = filled_map(2 * kHeight, 2 * kWidth, 3);
  EXPECT_EQ(encoder_.encode(image.view<float>(), tap).shape(), (Shape{kHeight, kWidth, kCodebook}));
  EXPECT_EQ(stages.at("down_m2_downsample"), (Shape{kHeight, kWidth, kBase}));
  EXPECT_EQ(stages.at("down_last"), (Shape{kHeight, kWidth, 2 * kBase}));
}

TEST_F(CoderTest, ImagesAreClampedRawOnesAreNot) {
  const Tensor latent = filled_map(kHeight, kWidth, kCodebook);
  const Tensor raw = decoder_.decode(latent.view<float>(), true);
  const Tensor image = decoder_.decode(latent.view<float>());
  float largest = 0.0F;
  for (std::int64_t i = 0; i < raw.elements(); ++i) {
    const float value = raw.view<float>().data()[i];
    largest = std::max(largest, std::abs(value));
    EXPECT_EQ(image.view<float>().data()[i], std::clamp(value, -1.0F, 1.0F));
  }
  EXPECT_GT(largest, 1.0F);
}

TEST_F(CoderTest, ThreadsDoNotChangeTheImage) {
  const Tensor latent = filled_map(kHeight, kWidth, kCodebook);
  const int before = threads();
  Runtime::current().set_threads(1);
  const Tensor one = decoder_.decode(latent.view<float>());
  Runtime::current().set_threads(2);
  const Tensor two = decoder_.decode(latent.view<float>());
  Runtime::current().set_threads(before);
  EXPECT_EQ(std::memcmp(one.raw(), two.raw(), static_cast<std::size_t>(one.bytes())), 0);
}

// The peak of the ledger while `call` runs, beyond what there was.
std::int64_t peak_of(const auto& call) {
  const std::int64_t before = ledger().current(MemoryKind::vae);
  ledger().reset_peaks();
  call();
  EXPECT_EQ(ledger().current(MemoryKind::vae), before);
  return ledger().peak(MemoryKind::vae) - before;
}

TEST_F(CoderTest, BytesArePredicted) {
  const model::VaeConfig config = model::infer_vae_config(SmallVae::open(std::make_shared<SmallVae>()));
  const int thread_count = threads();
  for (const auto& [height, width] : {std::pair{16, 16}, {1, 1}, {5, 3}, {7, 40}, {30, 2}, {90, 70}}) {
    SCOPED_TRACE(::testing::Message() << height << " x " << width);
    Runtime::current().set_threads(1 + height % 3);
    const Tensor latent = filled_map(height, width, kCodebook);
    EXPECT_EQ(peak_of([&] { static_cast<void>(decoder_.decode(latent.view<float>())); }),
              Decoder::predict_bytes(config, height, width));
    const Tensor image = filled_map(2 * height, 2 * width, 3);
    EXPECT_EQ(peak_of([&] { static_cast<void>(encoder_.encode(image.view<float>())); }),
              Encoder::predict_bytes(config, 2 * height, 2 * width));
  }
  Runtime::current().set_threads(thread_count);
}

TEST_F(CoderTest, BytesOfWeightsArePredicted) {
  const auto vae = std::make_shared<SmallVae>();
  formats::WeightMap weights = SmallVae::open(vae);
  const model::VaeConfig config = model::infer_vae_config(weights);
  const std::int64_t before = ledger().current(MemoryKind::weights);
  const Decoder decoder(config, weights);
  const Encoder encoder(config, weights);
  const model::Part part{"VAE", "", &weights, model::vae_table(config)};
  EXPECT_EQ(ledger().current(MemoryKind::weights) - before, model::part_bytes(part, WeightType::f32, true));
}

TEST_F(CoderTest, OtherSizesAreRefused) {
  const Tensor latent = filled_map(kHeight, kWidth, kCodebook + 1);
  EXPECT_EQ(failure_of([&] { static_cast<void>(decoder_.decode(latent.view<float>())); }),
            "the decoder was given a latent map of shape [5, 3, 7], expected [h, w, 6]");
  const Tensor image = filled_map(4, 5, 3);
  EXPECT_EQ(failure_of([&] { static_cast<void>(encoder_.encode(image.view<float>())); }),
            "the encoder was given an image of shape [4, 5, 3], expected [H, W, 3] in multiples of 2");
}

TEST(VaeWeights, AMissingTensorIsNamed) {
  for (const char* name : {"decoder.up.0.block.0.nin_shortcut.conv.weight", "decoder.norm_out.norm.bias",
                           "decoder.up.1.upsample.conv.conv.weight", "decoder.conv_in.conv.weight"}) {
    const auto vae = std::make_shared<SmallVae>();
    vae->remove(name);
    EXPECT_NE(failure_of([&] { build_decoder(vae); }).find(name), std::string::npos) << name;
  }
}

TEST(VaeWeights, AWrongShapeIsNamed) {
  const auto vae = std::make_shared<SmallVae>();
  vae->reshape("decoder.mid.block_1.conv2.conv.weight", {48, 47, 3, 3});
  const std::string message = failure_of([&] { build_decoder(vae); });
  EXPECT_NE(message.find("decoder.mid.block_1.conv2.conv.weight"), std::string::npos) << message;
  EXPECT_NE(message.find("[48, 47, 3, 3], expected [48, 48, 3, 3]"), std::string::npos) << message;
}

TEST(VaeWeights, ChannelsThatFormNoGroupsAreNamed) {
  const auto vae = std::make_shared<SmallVae>();
  vae->reshape("decoder.conv_out.conv.weight", {3, 20, 3, 3});
  vae->reshape("decoder.up.0.block.0.conv1.conv.weight", {20, 40, 3, 3});
  vae->reshape("decoder.up.1.block.0.conv1.conv.weight", {40, 40, 3, 3});
  vae->reshape("decoder.conv_in.conv.weight", {40, kCodebook, 3, 3});
  vae->reshape("decoder.conv_in.conv.bias", {40});
  const std::string message = failure_of([&] { build_decoder(vae); });
  EXPECT_NE(message.find("40 channels at decoder.mid.block_1.norm1"), std::string::npos) << message;
}

TEST(VaeWeights, LevelsThatDoNotFitAreNamed) {
  const auto vae = std::make_shared<SmallVae>();
  vae->reshape("decoder.up.1.block.0.conv1.conv.weight", {49, 48, 3, 3});
  EXPECT_NE(failure_of([&] { build_decoder(vae); }).find("decoder.up.1 has 49 channels"), std::string::npos);
}

}  // namespace
}  // namespace scalekv::vae
