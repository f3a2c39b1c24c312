#include "text/t5_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "formats/tensor_source.h"
#include "text/fixtures.h"

namespace scalekv::text {
namespace {

// A stride of 16 between the kept rows of results longer than 64.
constexpr std::int64_t kLong = 64;
constexpr std::int64_t kStride = 16;

formats::WeightMap open_weights() {
  return {formats::open_tensor_source(fixture_path("encoder.safetensors")), "", "text encoder"};
}

Tensor load(const formats::TensorSource& source, const std::string& name) {
  const formats::TensorInfo* info = source.find(name);
  if (info == nullptr) throw std::runtime_error("no fixture " + name);
  return source.load(*info);
}

double relative_error(View<const float> actual, View<const float> expected, std::int64_t stride) {
  double difference = 0.0;
  double norm = 0.0;
  for (std::int64_t row = 0; row < expected.size(0); ++row) {
    for (std::int64_t c = 0; c < expected.size(1); ++c) {
      difference += std::pow(actual(row * stride, c) - expected(row, c), 2);
      norm += std::pow(expected(row, c), 2);
    }
  }
  return std::sqrt(difference / norm);
}

TEST(T5Config, IsReadOffTheShapes) {
  const model::T5Config config = model::infer_t5_config(open_weights());
  EXPECT_EQ(config.layers, 3);
  EXPECT_EQ(config.width, 24);
  EXPECT_EQ(config.heads, 3);
  EXPECT_EQ(config.head_size, 12);
  EXPECT_EQ(config.feed_forward, 40);
  EXPECT_EQ(config.buckets, 32);
  EXPECT_EQ(config.max_distance, 128);  // as published: no file's shapes say it
  EXPECT_EQ(config.epsilon, 1e-6);
}

// Checkpoints call the embedding by either of its names.
TEST(T5Encoder, TakesTheEmbeddingUnderEitherName) {
  const auto rename = [](std::string_view name) {
    return std::string(name == "shared.weight" ? "encoder.embed_tokens.weight" : name);
  };
  const auto source = formats::open_tensor_source(fixture_path("encoder.safetensors"));
  formats::WeightMap renamed(source, "", "text encoder", rename);
  formats::WeightMap published = open_weights();
  const std::vector<std::int32_t> ids = {40, 41, 42, 1};
  const Tensor a = T5Encoder(model::infer_t5_config(renamed), renamed).encode(ids);
  const Tensor b = T5Encoder(model::infer_t5_config(published), published).encode(ids);
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.bytes())), 0);
}

TEST(T5Config, AModelWithoutGateIsNamed) {
  const auto rename = [](std::string_view name) {
    std::string renamed(name);
    if (const std::size_t at = renamed.find("wi_0"); at != std::string::npos) renamed.replace(at, 4, "wi");
    return renamed;
  };
  const auto source = formats::open_tensor_source(fixture_path("encoder.safetensors"));
  const formats::WeightMap weights(source, "", "text encoder", rename);
  try {
    static_cast<void>(model::infer_t5_config(weights));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("DenseReluDense.wi_0.weight is missing"), std::string::npos);
  }
}

class T5EncoderTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(T5EncoderTest, FeaturesAreThoseOfHuggingFace) {
  formats::WeightMap weights = open_weights();
  const T5Encoder encoder(model::infer_t5_config(weights), weights);
  const auto source = formats::open_tensor_source(fixture_path("features.safetensors"));
  const std::int64_t length = GetParam();
  const Tensor ids = load(*source, fmt::format("ids.{}", length));
  const Tensor expected = load(*source, fmt::format("features.{}", length));
  const std::int32_t* begin = ids.view<std::int32_t>().data();
  const Tensor features = encoder.encode({begin, static_cast<std::size_t>(length)});
  ASSERT_EQ(features.shape(), (Shape{length, 24}));
  const std::int64_t stride = length > kLong ? kStride : 1;
  EXPECT_LE(relative_error(features.view<float>(), expected.view<float>(), stride), 1e-4);
}

// The prompts of the tokenizer's test, in many scripts: the mean of a prompt's rows, and its last row.
TEST(T5Encoder, EveryPromptsFeaturesAreThoseOfHuggingFace) {
  formats::WeightMap weights = open_weights();
  const T5Encoder encoder(model::infer_t5_config(weights), weights);
  const auto prompts = nlohmann::json::parse(read_fixture("prompts.json"));
  const Tensor expected = load(*formats::open_tensor_source(fixture_path("features.safetensors")), "prompts");
  ASSERT_GE(prompts.size(), 300U);
  ASSERT_EQ(expected.shape(), (Shape{static_cast<std::int64_t>(prompts.size()), 2, 24}));
  for (std::size_t k = 0; k < prompts.size(); ++k) {
    const auto ids = prompts[k].at("ids").get<std::vector<std::int32_t>>();
    const Tensor features = encoder.encode(ids);
    const View<const float> rows = features.view<float>();
    Tensor summary = Tensor::zeros<float>({2, 24}, MemoryKind::other);
    for (std::int64_t c = 0; c < 24; ++c) {
      double sum = 0.0;
      for (std::int64_t row = 0; row < rows.size(0); ++row) sum += rows(row, c);
      summary.view<float>()(0, c) = static_cast<float>(sum / static_cast<double>(rows.size(0)));
      summary.view<float>()(1, c) = rows(rows.size(0) - 1, c);
    }
    EXPECT_LE(relative_error(summary.view<float>(), expected.view<float>()[static_cast<std::int64_t>(k)], 1), 1e-4)
        << prompts[k].at("text");
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, T5EncoderTest, ::testing::Values(1, 2, 17, 64, 130, 200, 512));

TEST(T5Encoder, RefusesIdsOutsideItsVocabulary) {
  formats::WeightMap weights = open_weights();
  const T5Encoder encoder(model::infer_t5_config(weights), weights);
  const auto vocabulary = static_cast<std::int32_t>(encoder.config().vocabulary);
  for (const std::int32_t id : {-1, vocabulary}) {
    const std::vector<std::int32_t> ids = {3, id, 1};
    EXPECT_THROW(static_cast<void>(encoder.encode(ids)), Error);
  }
}

TEST(T5Encoder, NamesAWrongShape) {
  formats::WeightMap weights = open_weights();
  model::T5Config config = model::infer_t5_config(weights);
  config.feed_forward = 41;
  try {
    const T5Encoder encoder(config, weights);
    FAIL();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("encoder.block.0.layer.1.DenseReluDense.wi_0.weight"), std::string::npos) << message;
    EXPECT_NE(message.find("[40, 24], expected [41, 24]"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace scalekv::text
