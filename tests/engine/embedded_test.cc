// The embedded model against our PyTorch model on the same weights: tests/data/embedded.safetensors, written by
// tools/fixtures/make_fixture.py.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>

#include "base/file.h"
#include "base/sha256.h"
#include "engine/run.h"
#include "formats/tensor_source.h"
#include "vae/quantizer.h"

namespace scalekv::engine {
namespace {

constexpr double kTolerance = 1e-4;  // relative L2 error

class Embedded : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string stem = SCALEKV_SOURCE_DIR "/tests/data/embedded";
    model_ = load_model(files_of(open_embedded_bundle()));
    fixture_ = formats::open_tensor_source(stem + ".safetensors");
    about_ = nlohmann::json::parse(read_file(stem + ".json"));
  }
  static void TearDownTestSuite() {
    model_.reset();
    fixture_.reset();
  }

  static Tensor load(const std::string& name) {
    const formats::TensorInfo* info = fixture_->find(name);
    if (info == nullptr) throw std::runtime_error("the fixture has no tensor " + name);
    return fixture_->load(*info);
  }

  static std::vector<std::int32_t> integers(const std::string& name) {
    const Tensor tensor = load(name);
    const auto* values = tensor.view<std::int32_t>().data();
    return {values, values + tensor.elements()};
  }

  // The bits that the reference drew, to be forced on the engine.
  static BitMaps recorded_bits(const std::vector<MapSize>& scales, std::int64_t images) {
    BitMaps bits(scales.size());
    for (std::size_t scale = 0; scale < scales.size(); ++scale) {
      const Tensor all = load("in.bits.s" + std::to_string(scale));  // [B, 1, h, w, d]
      const auto& shape = all.shape();
      const std::int64_t each = all.elements() / images;
      for (std::int64_t image = 0; image < images; ++image) {
        Tensor one(DType::u8, {shape[2], shape[3], shape[4]}, MemoryKind::other);
        std::copy_n(all.view<std::uint8_t>().data() + image * each, each, one.view<std::uint8_t>().data());
        bits[scale].push_back(std::move(one));
      }
    }
    return bits;
  }

  static double relative_error(const Tensor& expected, View<const float> actual) {
    EXPECT_EQ(expected.elements(), actual.elements());
    double difference = 0.0;
    double norm = 0.0;
    for (std::int64_t i = 0; i < expected.elements(); ++i) {
      const double value = expected.view<float>().data()[i];
      const double error = value - actual.data()[i];
      difference += error * error;
      norm += value * value;
    }
    return std::sqrt(difference / norm);
  }

  static inline std::unique_ptr<Model> model_;
  static inline std::shared_ptr<const formats::TensorSource> fixture_;
  static inline nlohmann::json about_;
};

TEST_F(Embedded, TheFixtureIsOfTheseWeights) {
  Sha256 hash;
  const std::string bytes = read_file(SCALEKV_SOURCE_DIR "/models/shapes-7s.safetensors");
  hash.update(std::as_bytes(std::span(bytes)));
  EXPECT_EQ(hash.finish(), about_["model_sha256"].get<std::string>()) << "run tools/fixtures/make_fixture.py again";
}

TEST_F(Embedded, TextIsTheReferences) {
  const auto prompts = about_["prompts"].get<std::vector<std::string>>();
  for (std::size_t k = 0; k < prompts.size(); ++k) {
    const auto ids = model_->tokenizer->encode(prompts[k]);
    EXPECT_EQ(ids, integers("text.ids." + std::to_string(k))) << prompts[k];
    const Tensor features = model_->text_encoder.encode(ids);
    EXPECT_LE(relative_error(load("text.features." + std::to_string(k)), features.view<float>()), kTolerance);
  }
}

TEST_F(Embedded, LogitsLatentsAndPicturesAreTheReferences) {
  const auto images = about_["drawn"].get<std::int64_t>();
  infinity::GenerationRequest request;
  std::vector<Tensor> texts;
  Batch batch;
  request.schedule = infinity::make_schedule(1.0, "0.06M");
  for (std::int64_t image = 0; image < images; ++image) {
    texts.push_back(load("text.features." + std::to_string(image)));
    batch.texts.push_back(std::as_const(texts.back()).view<float>());
    batch.seeds.push_back({});
  }
  request.cfg.assign(request.schedule.scales.size(), about_["cfg"].get<float>());
  request.tau.assign(request.schedule.scales.size(), about_["tau"].get<float>());
  request.policy = cache::make_policy({"full", 1.0, "reference"},
                                      infinity::cache_geometry(model_->sizes.transformer, request.schedule));
  const BitMaps bits = recorded_bits(request.schedule.scales, images);
  batch.forced = &bits;

  Observers observers;
  std::size_t compared = 0;
  observers.logits = [&](int scale, View<const float> logits) {
    EXPECT_LE(relative_error(load("full.logits.s" + std::to_string(scale)), logits), kTolerance) << scale;
    ++compared;
  };
  const Drawn generation = draw(*model_->backend, request, batch, observers);
  EXPECT_EQ(compared, request.schedule.scales.size());

  const Tensor pictures = load("full.img_u8_bgr_sub");  // [B, H/2, W/2, 3]
  const View<const std::uint8_t> expected = pictures.view<std::uint8_t>();
  for (std::int64_t image = 0; image < images; ++image) {
    const Tensor& latent = generation.latents[static_cast<std::size_t>(image)];
    const Image drawn = decode(*model_, latent);
    ASSERT_EQ(expected.shape(), (Shape{images, drawn.height / 2, drawn.width / 2, 3}));
    std::int64_t differing = 0;
    for (std::int64_t y = 0; y < expected.size(1); ++y) {
      for (std::int64_t x = 0; x < expected.size(2); ++x) {
        const std::uint8_t* pixel = drawn.rgb.data() + (2 * y * drawn.width + 2 * x) * 3;
        for (std::int64_t channel = 0; channel < 3; ++channel) {
          const int difference = pixel[channel] - expected(image, y, x, 2 - channel);
          EXPECT_LE(std::abs(difference), 1);
          differing += difference == 0 ? 0 : 1;
        }
      }
    }
    EXPECT_LE(differing, expected.elements() / images / 1000);  // values on the edge of a step
  }
}

TEST_F(Embedded, PicturesBecomeTheReferencesBits) {
  const Tensor stored = load("enc.image_u8");  // [1, H, W, 3]
  Image image{.width = stored.shape()[2], .height = stored.shape()[1], .rgb = {}};
  const auto* bytes = stored.view<std::uint8_t>().data();
  image.rgb.assign(bytes, bytes + stored.elements());
  const Tensor features = model_->encoder->encode(to_pixels(image, image.height, image.width).view<float>());
  const Tensor expected = load("enc.h");  // [1, d, h, w]
  const auto& shape = expected.shape();
  double difference = 0.0;
  double norm = 0.0;
  for (std::int64_t channel = 0; channel < shape[1]; ++channel) {
    for (std::int64_t cell = 0; cell < shape[2] * shape[3]; ++cell) {
      const double value = expected.view<float>().data()[channel * shape[2] * shape[3] + cell];
      const double error = value - features.view<float>().data()[cell * shape[1] + channel];
      difference += error * error;
      norm += value * value;
    }
  }
  EXPECT_LE(std::sqrt(difference / norm), kTolerance);
}

}  // namespace
}  // namespace scalekv::engine
