#include "formats/weight_map.h"

#include <gtest/gtest.h>

#include "formats/files.h"

namespace scalekv::formats {
namespace {

constexpr std::string_view kHeader = R"({"vae.bias":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
                                     R"("vae.ids":{"dtype":"I32","shape":[1],"data_offsets":[4,8]},)"
                                     R"("vae.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},)"
                                     R"("word":{"dtype":"F32","shape":[],"data_offsets":[16,20]}})";

class WeightMapTest : public ::testing::Test {
 protected:
  WeightMapTest() {
    const std::string data =
        bytes_of<std::uint16_t>({0x3f80, 0xc000}) + bytes_of<std::int32_t>({5}) + bytes_of<float>({0.5F, 0.25F, 9.0F});
    source_ = open_tensor_source(folder_.write("m.safetensors", safetensors_bytes(kHeader, data)));
  }

  WeightMap vae() const { return WeightMap(source_, "vae.", "VAE"); }

  TemporaryFolder folder_;
  std::shared_ptr<const TensorSource> source_;
};

TEST_F(WeightMapTest, HandsOutTensorsUnderTheirPublishedNames) {
  WeightMap map = vae();
  EXPECT_EQ(map.names(), (std::vector<std::string>{"bias", "ids", "weight"}));
  EXPECT_EQ(map.names("b"), (std::vector<std::string>{"bias"}));
  EXPECT_EQ(map.shape("weight"), Shape({1, 2}));
  EXPECT_EQ(map.take("weight", {1, 2}).view<float>()(0, 1), 0.25F);
  const Tensor bias = map.take_float("bias", {2}, MemoryKind::other);
  EXPECT_EQ(bias.view<float>()(0), 1.0F);
  EXPECT_EQ(bias.view<float>()(1), -2.0F);
  map.ignore("ids");
  EXPECT_NO_THROW(map.expect_all_used());
}

TEST_F(WeightMapTest, AMissingTensorIsNamedInFull) {
  WeightMap map = vae();
  EXPECT_TRUE(mentions(failure_of([&] { map.take("gain", {1}); }), {"VAE in ", "m.safetensors", "\"vae.gain\""}));
  EXPECT_TRUE(mentions(failure_of([&] { map.shape("gain"); }), {"m.safetensors", "\"vae.gain\""}));
}

TEST_F(WeightMapTest, AWrongShapeIsNamedWithBoth) {
  WeightMap map = vae();
  EXPECT_TRUE(mentions(failure_of([&] {
                         map.take("weight", {2, 1});
                       }),
                       {"m.safetensors", "\"vae.weight\"", "[1, 2]", "[2, 1]"}));
}

TEST_F(WeightMapTest, IntegersAreNoWeights) {
  WeightMap map = vae();
  EXPECT_TRUE(mentions(failure_of([&] { map.take("ids", {1}); }), {"m.safetensors", "\"vae.ids\"", "I32"}));
}

TEST_F(WeightMapTest, WeightsThatAreNoNumbersAreNamed) {
  constexpr std::string_view kOne = R"({"gain":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})";
  const auto path =
      folder_.write("nan.safetensors", safetensors_bytes(kOne, bytes_of<std::uint16_t>({0x3f80, 0x7fc0})));
  WeightMap map(open_tensor_source(path), "", "VAE");
  EXPECT_TRUE(mentions(failure_of([&] { map.take_float("gain", {2}, MemoryKind::other); }),
                       {"nan.safetensors", "\"gain\"", "nan", "element 1"}));
}

TEST_F(WeightMapTest, LeftOversAreNamed) {
  WeightMap map = vae();
  map.take("weight", {1, 2});
  EXPECT_TRUE(mentions(failure_of([&] { map.expect_all_used(); }),
                       {"m.safetensors", "2 tensors", "\"vae.bias\"", "\"vae.ids\""}));
}

TEST_F(WeightMapTest, TwoFormsOfANameAreRefused) {
  const auto same = [](std::string_view) { return std::string("vae.same"); };
  EXPECT_TRUE(mentions(failure_of([&] { WeightMap(source_, "vae.", "VAE", same); }),
                       {"m.safetensors", "\"vae.bias\"", "\"vae.ids\""}));
}

}  // namespace
}  // namespace scalekv::formats
