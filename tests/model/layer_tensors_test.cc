#include "model/layer_tensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include "support/failure.h"
#include "support/memory_source.h"

namespace scalekv::model {
namespace {

constexpr std::int64_t kInputs = 32, kOutputs = 3;

// A matrix of bytes as docs/FORMATS.md has it, and what may be wrong with it.
struct Int8Parts {
  Shape codes{kOutputs, kInputs};
  DType codes_type = DType::i8;
  std::optional<Shape> scales = Shape{kOutputs};
  float scale = 0.5F;
  std::optional<std::int32_t> rotation = {};
  Shape rotation_shape{1};
};

std::string failure_of_matrix(const Int8Parts& parts) {
  auto source = std::make_shared<testing::MemorySource>("bytes.safetensors");
  Tensor codes(parts.codes_type, parts.codes, MemoryKind::other);
  std::memset(codes.mutable_raw(), 1, static_cast<std::size_t>(codes.bytes()));
  source->put("fc.weight", std::move(codes));
  if (parts.scales) {
    Tensor scales(DType::f32, *parts.scales, MemoryKind::other);
    std::fill_n(scales.view<float>().data(), scales.elements(), parts.scale);
    source->put("fc.weight_scale", std::move(scales));
  }
  if (parts.rotation) {
    Tensor rotation(DType::i32, parts.rotation_shape, MemoryKind::other);
    std::fill_n(rotation.view<std::int32_t>().data(), rotation.elements(), *parts.rotation);
    source->put("fc.weight_rotation", std::move(rotation));
  }
  formats::WeightMap weights(source, "", "transformer");
  const LayerTensors tensors(weights, {{.name = "fc.weight", .shape = {kOutputs, kInputs}, .role = Role::matrix}});
  return testing::failure_of([&] { tensors.linear("fc"); });
}

TEST(Int8Weights, SoundOnesAreTaken) {
  EXPECT_EQ(failure_of_matrix({}), "");
  EXPECT_EQ(failure_of_matrix({.rotation = 1}), "");
  EXPECT_EQ(failure_of_matrix({.rotation = 8}), "");
}

TEST(Int8Weights, ScalesAndShapesAreChecked) {
  for (const Int8Parts& parts : {Int8Parts{.codes = {kOutputs, kInputs + 1}}, Int8Parts{.codes = {kInputs, kOutputs}},
                                 Int8Parts{.codes = {kOutputs * kInputs}}, Int8Parts{.codes_type = DType::u8},
                                 Int8Parts{.codes_type = DType::f32}, Int8Parts{.scales = std::nullopt}}) {
    EXPECT_TRUE(testing::mentions(failure_of_matrix(parts), {"transformer", "bytes.safetensors", "fc.weight"}));
  }
  for (const Int8Parts& parts : {Int8Parts{.scales = Shape{kOutputs + 1}}, Int8Parts{.scales = Shape{1, kOutputs}},
                                 Int8Parts{.scale = std::numeric_limits<float>::quiet_NaN()},
                                 Int8Parts{.scale = std::numeric_limits<float>::infinity()}}) {
    EXPECT_TRUE(testing::mentions(failure_of_matrix(parts), {"bytes.safetensors", "fc.weight_scale"}));
  }
}

TEST(Int8Weights, RotationsMustFit) {
  for (const std::int32_t length : {0, -8, 3, 16, 64, 1 << 30, std::numeric_limits<std::int32_t>::min()}) {
    EXPECT_TRUE(testing::mentions(failure_of_matrix({.rotation = length}), {"fc.weight_rotation", "power of two"}))
        << length;
  }
  EXPECT_TRUE(testing::mentions(failure_of_matrix({.rotation = 8, .rotation_shape = {2}}), {"fc.weight_rotation"}));
}

// A bias of two for three outputs.
TEST(LayerTensors, AShortBiasIsThatOfTheLastOutputs) {
  auto source = std::make_shared<testing::MemorySource>("short.safetensors");
  source->put("kv.weight", Tensor::zeros<float>({3, 4}, MemoryKind::other));
  Tensor bias = Tensor::zeros<float>({2}, MemoryKind::other);
  bias.view<float>()(0) = 5.0F;
  bias.view<float>()(1) = 6.0F;
  source->put("v_bias", std::move(bias));
  formats::WeightMap weights(source, "", "transformer");
  const LayerTensors tensors(weights, {{.name = "kv.weight", .shape = {3, 4}, .role = Role::matrix, .bias = "v_bias"},
                                       {.name = "v_bias", .shape = {2}, .role = Role::bias}});
  const Tensor x = Tensor::zeros<float>({1, 4}, MemoryKind::other);
  Tensor y(DType::f32, {1, 3}, MemoryKind::other);
  tensors.linear("kv").run(x.view<float>(), y.view<float>());
  EXPECT_EQ(y.view<float>()(0, 0), 0.0F);
  EXPECT_EQ(y.view<float>()(0, 1), 5.0F);
  EXPECT_EQ(y.view<float>()(0, 2), 6.0F);
}

}  // namespace
}  // namespace scalekv::model
