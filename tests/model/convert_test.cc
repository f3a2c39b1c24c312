#include "model/convert.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "formats/files.h"
#include "formats/safetensors_writer.h"
#include "formats/tensor_source.h"
#include "kernels/int8_weight.h"
#include "model/parts.h"
#include "runtime/ledger.h"
#include "support/small_model.h"

namespace scalekv::model {
namespace {

std::string digest(std::string_view text) { return sha256_of(std::as_bytes(std::span(text))); }

const WorkProgress kUnseen = [](double, std::string_view) {};

using Given = std::map<std::string, Tensor>;

// A .safetensors file of float32 tensors.
void write_floats(const std::filesystem::path& path, const Given& tensors) {
  std::vector<formats::TensorInfo> infos;
  for (const auto& [name, tensor] : tensors) {
    infos.push_back({.name = name, .dtype = DType::f32, .shape = tensor.shape()});
  }
  formats::SafetensorsWriter writer(path, infos, {});
  for (const auto& [name, tensor] : tensors) {
    writer.append({static_cast<const std::byte*>(tensor.raw()), static_cast<std::size_t>(tensor.bytes())});
  }
  writer.finish();
}

Tensor filled(const Shape& shape, float value) {
  Tensor tensor(DType::f32, shape, MemoryKind::other);
  std::fill_n(tensor.view<float>().data(), tensor.elements(), value);
  return tensor;
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Numbers that bfloat16 cannot hold, with signs and sizes of their own.
void fill_waves(Tensor& tensor) {
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.view<float>().data()[i] = std::sin(static_cast<float>(i));
  }
}

// Three published files of the small model, as the hub has them. What is NaN stops whoever looks at it.
class ConvertTest : public ::testing::Test {
 protected:
  ConvertTest() {
    testing::visit_small_model([&](const std::string& prefix, const TableEntry& entry) {
      Given& file = prefix == "gpt." ? gpt_ : prefix == "vae." ? vae_ : t5_;
      const std::string before = prefix == "gpt." ? "trainer.gpt_fsdp." : prefix == "vae." ? "vae." : "";
      Tensor tensor(DType::f32, entry.spec.shape, MemoryKind::other);
      fill_waves(tensor);
      file.emplace(before + entry.name, std::move(tensor));
    });
    gpt_.emplace("trainer.gpt_fsdp.attn_bias_for_masking", filled({1, 2}, kNan));
    gpt_.emplace("trainer.gpt_fsdp.block_chunks.0.module.0.sa.zero_k_bias", filled({48}, 0.0F));
    gpt_.emplace("trainer.opt.word_embed.weight.exp_avg", filled({1}, kNan));
    vae_.emplace("vae.quantizer.mask", filled({1}, 1.0F));
    vae_.emplace("disc.weight", filled({1}, 1.0F));
    t5_.emplace("encoder.embed_tokens.weight", filled({300, 128}, kNan));
    t5_.emplace("decoder.final_layer_norm.weight", filled({1}, kNan));
    t5_.emplace("lm_head.weight", filled({1, 2}, kNan));
    std::filesystem::create_directories(folder_ / "t5");
    write_sources();
    folder_.write("t5/spiece.model", "pieces");
  }

  void write_sources() const {
    write_floats(folder_ / "gpt.safetensors", gpt_);
    write_floats(folder_ / "vae.safetensors", vae_);
    write_floats(folder_ / "t5/model.safetensors", t5_);
  }

  void spoil_vae(float value) {
    vae_.at("vae.decoder.conv_in.conv.weight").view<float>().data()[0] = value;
    write_sources();
  }

  Bundle bundle() const {
    return open_bundle({.transformer = folder_ / "gpt.safetensors",
                        .vae = folder_ / "vae.safetensors",
                        .text_encoder = folder_ / "t5"});
  }

  std::shared_ptr<const formats::TensorSource> converted(const ConversionOptions& options) const {
    convert_model(bundle(), folder_ / "out.safetensors", options, kUnseen);
    return formats::open_tensor_source(folder_ / "out.safetensors");
  }

  formats::TemporaryFolder folder_;
  Given gpt_, vae_, t5_;
};

std::vector<std::string> names_of(const formats::TensorSource& source) {
  std::vector<std::string> names;
  for (const formats::TensorInfo& info : source.tensors()) names.push_back(info.name);
  return names;
}

TEST_F(ConvertTest, HoldsWhatTheEngineReadsUnderPublishedNames) {
  std::vector<std::string> expected = {"gpt.block_chunks.0.module.0.sa.zero_k_bias", "tokenizer.spiece"};
  testing::visit_small_model(
      [&](const std::string& prefix, const TableEntry& entry) { expected.push_back(prefix + entry.name); });
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(names_of(*converted({})), expected);
  std::erase_if(expected, [](const std::string& name) { return name.starts_with("vae.encoder."); });
  EXPECT_EQ(names_of(*converted({.encoder = false})), expected);
  const Bundle again = open_bundle({.model = folder_ / "out.safetensors"});
  EXPECT_EQ(again.tokenizer, "pieces");
  EXPECT_EQ(check_shapes(again).size(), 3U);
}

TEST_F(ConvertTest, WhatIsNotTheNetworksGoesAlongToBeNamed) {
  gpt_.emplace("trainer.gpt_fsdp.other.weight", filled({2, 2}, 1.00390625F));
  write_sources();
  const auto source = converted({});
  EXPECT_EQ(source->load(*source->find("gpt.other.weight")).view<const float>()(0, 0), 1.00390625F);
  EXPECT_TRUE(
      formats::mentions(formats::failure_of([&] { check_shapes(open_bundle({.model = folder_ / "out.safetensors"})); }),
                        {"transformer", "other.weight"}));
}

// One of each role: [float type, bf16, int8].
TEST_F(ConvertTest, MatricesAreRoundedAndTheRestIsExact) {
  using Types = std::array<DType, 3>;
  const Types exact = {DType::f32, DType::f32, DType::f32};
  const std::map<std::string, Types> expected = {
      {"gpt.word_embed.weight", {DType::f32, DType::bf16, DType::f32}},
      {"gpt.lvl_embed.weight", {DType::f32, DType::bf16, DType::f32}},
      {"gpt.block_chunks.1.module.0.sa.proj.weight", {DType::f32, DType::bf16, DType::i8}},
      {"gpt.block_chunks.1.module.0.ada_gss", exact},
      {"gpt.head.bias", exact},
      {"vae.decoder.conv_in.conv.weight", {DType::f32, DType::bf16, DType::bf16}},
      {"vae.decoder.norm_out.norm.weight", exact},
      {"t5.shared.weight", {DType::f32, DType::bf16, DType::bf16}},
      {"t5.encoder.block.0.layer.0.SelfAttention.q.weight", {DType::f32, DType::bf16, DType::bf16}},
      {"t5.encoder.final_layer_norm.weight", exact},
  };
  for (const WeightType weights : kWeightTypes) {
    const auto source = converted({.weights = weights});
    for (const auto& [name, types] : expected) {
      EXPECT_EQ(source->find(name)->dtype, types.at(static_cast<std::size_t>(weights))) << name;
    }
    EXPECT_EQ(source->load(*source->find("gpt.head.bias")).view<const float>()(1), std::sin(1.0F));
  }
  const auto source = converted({});
  EXPECT_EQ(to_float(source->load(*source->find("gpt.word_embed.weight")).view<const BFloat16>()(0, 1)),
            to_float(to_bfloat16(std::sin(1.0F))));
}

TEST_F(ConvertTest, BlocksAreRoundedToInt8WithScales) {
  const auto source = converted({.weights = WeightType::int8});
  const std::string block = "gpt.block_chunks.1.module.0.";
  const auto load = [&](const std::string& name) { return source->load(*source->find(block + name)); };
  const Tensor codes = load("sa.proj.weight"), scales = load("sa.proj.weight_scale");
  for (std::int64_t i = 0; i < codes.elements(); ++i) {
    const float scale = scales.view<const float>()(i / 48);
    EXPECT_NEAR(static_cast<float>(codes.view<const std::int8_t>()(i / 48, i % 48)) * scale,
                std::sin(static_cast<float>(i)), 0.5F * scale);
  }
  EXPECT_EQ(source->find(block + "sa.proj.weight_rotation"), nullptr);
  // Inputs with outliers: [1][64][4] along the middle.
  EXPECT_EQ(load("ffn.fc2.weight_rotation").view<const std::int32_t>()(0), 64);
  const Tensor fc2 = gpt_.at("trainer.gpt_fsdp.block_chunks.1.module.0.ffn.fc2.weight").clone(MemoryKind::other);
  const kernels::Int8Weight rounded = kernels::quantise_weight(fc2, 64, MemoryKind::other);
  EXPECT_EQ(std::memcmp(load("ffn.fc2.weight").raw(), rounded.codes.raw(), static_cast<std::size_t>(fc2.elements())),
            0);
  EXPECT_EQ(load("ffn.fc2.weight_scale").view<const float>()(47), rounded.scales.view<const float>()(47));
  const Bundle again = open_bundle({.model = folder_ / "out.safetensors"});
  EXPECT_EQ(check_shapes(again).size(), 3U);
  EXPECT_TRUE(
      formats::mentions(formats::failure_of([&] { list_converted_tensors(again, {}); }), {"out.safetensors", "int8"}));
}

TEST_F(ConvertTest, MetadataSayWhatItIsAndWhereItIsFrom) {
  const auto metadata = converted({.config_json = "{\"name\":\"x\"}"})->metadata();
  EXPECT_EQ(metadata.at("format"), "scalekv.model");
  EXPECT_EQ(metadata.at("format_version"), "1");
  EXPECT_EQ(metadata.at("config"), "{\"name\":\"x\"}");
  const auto sources = nlohmann::json::parse(metadata.at("sources"));
  EXPECT_EQ(sources["gpt"]["gpt.safetensors"], digest(read_file(folder_ / "gpt.safetensors")));
  EXPECT_EQ(sources["t5"]["model.safetensors"], digest(read_file(folder_ / "t5/model.safetensors")));
  EXPECT_EQ(sources["tokenizer"]["spiece.model"], digest("pieces"));
}

TEST_F(ConvertTest, ACalibrationGoesWithTheModel) {
  EXPECT_FALSE(converted({})->metadata().contains("calibration"));
  EXPECT_EQ(converted({.calibration_json = "{\"x\":1}"})->metadata().at("calibration"), "{\"x\":1}");
  EXPECT_EQ(open_bundle({.model = folder_ / "out.safetensors"}).calibration_json, "{\"x\":1}");
}

TEST_F(ConvertTest, TheSameSourcesGiveTheSameBytes) {
  converted({});
  const std::string first = read_file(folder_ / "out.safetensors");
  converted({});
  EXPECT_EQ(read_file(folder_ / "out.safetensors"), first);
}

TEST_F(ConvertTest, DamagedWeightsLeaveTheOldFile) {
  converted({});
  const std::string first = read_file(folder_ / "out.safetensors");
  const std::size_t files = folder_.files();
  spoil_vae(kNan);
  EXPECT_TRUE(formats::mentions(formats::failure_of([&] { converted({}); }),
                                {"vae.safetensors", "\"vae.decoder.conv_in.conv.weight\"", "nan", "element 0"}));
  EXPECT_EQ(read_file(folder_ / "out.safetensors"), first);
  EXPECT_EQ(folder_.files(), files);
}

// Apart from what does not lie in the file row by row, memory is that of a piece, however large the tensor.
TEST_F(ConvertTest, TakesMemoryForAPieceOnly) {
  constexpr std::int64_t kPieceBytes = (std::int64_t{1} << 22U) * 4, kHidden = (std::int64_t{1} << 24U) / 48;
  for (std::int64_t layer = 0; layer < testing::small_config().depth; ++layer) {
    const std::string block = "trainer.gpt_fsdp." + block_prefix(testing::small_config(), layer);
    gpt_.at(block + "ffn.fc1.weight") = filled({kHidden, 48}, 0.5F);
    gpt_.at(block + "ffn.fc1.bias") = filled({kHidden}, 0.5F);
    gpt_.at(block + "ffn.fc2.weight") = filled({48, kHidden}, 0.5F);
  }
  write_sources();
  for (const WeightType weights : kWeightTypes) {
    ledger().reset_peaks();
    const std::int64_t before = ledger().current_total();
    converted({.weights = weights});
    const std::int64_t taken = ledger().peak_total() - before;
    EXPECT_GE(taken, kPieceBytes);
    EXPECT_LE(taken, 5 * kPieceBytes / 2) << "of " << 48 * kHidden * 4;
  }
}

TEST_F(ConvertTest, StoppingLeavesNothing) {
  const std::size_t files = folder_.files();
  const auto stop = [](double share, std::string_view) {
    if (share > 0.0) fail("stopped");
  };
  EXPECT_EQ(formats::failure_of([&] { convert_model(bundle(), folder_ / "out.safetensors", {}, stop); }), "stopped");
  EXPECT_EQ(folder_.files(), files);
}

// Checkpoints that hold averaged weights beside the trained ones, or nothing but them.
TEST_F(ConvertTest, AveragedCopiesAreTakenOnlyWhereThereIsNothingElse) {
  const auto embedding = [&] {
    const Bundle opened = open_bundle({.transformer = folder_ / "gpt.safetensors"});
    return opened.transformer->load(*opened.transformer->infos().at("word_embed.weight")).view<const float>()(0, 0);
  };
  Given file;
  file.emplace("ema.word_embed.weight", filled({1, 1}, 1.0F));
  file.emplace("trainer.gpt_fsdp.word_embed.weight", filled({1, 1}, 2.0F));
  write_floats(folder_ / "gpt.safetensors", file);
  EXPECT_EQ(embedding(), 2.0F);
  file.erase("trainer.gpt_fsdp.word_embed.weight");
  write_floats(folder_ / "gpt.safetensors", file);
  EXPECT_EQ(embedding(), 1.0F);
}

TEST_F(ConvertTest, MissingPartsAreNamedWithTheirOption) {
  const auto failure = [&](const BundlePaths& paths) {
    return formats::failure_of([&] { list_converted_tensors(open_bundle(paths), {}); });
  };
  EXPECT_TRUE(
      formats::mentions(failure({.transformer = folder_ / "gpt.safetensors", .vae = folder_ / "vae.safetensors"}),
                        {"text encoder", "`text_encoder`"}));
  EXPECT_TRUE(formats::mentions(failure({.model = folder_ / "gpt.safetensors"}), {"gpt.safetensors", "VAE", "`vae`"}));
  EXPECT_TRUE(formats::mentions(failure({.vae = folder_ / "gpt.safetensors"}), {"gpt.safetensors", "VAE"}));
  EXPECT_TRUE(formats::mentions(failure({.text_encoder = folder_ / "t5/absent"}), {"absent"}));
}

TEST_F(ConvertTest, WeightsThatAreNotFiniteAreFoundInAnyType) {
  EXPECT_NO_THROW(formats::check_finite(*formats::open_tensor_source(folder_ / "vae.safetensors"), kUnseen));
  spoil_vae(-std::numeric_limits<float>::infinity());
  EXPECT_TRUE(formats::mentions(formats::failure_of([&] {
                                  formats::check_finite(*formats::open_tensor_source(folder_ / "vae.safetensors"),
                                                        kUnseen);
                                }),
                                {"vae.safetensors", "\"vae.decoder.conv_in.conv.weight\"", "-inf", "element 0"}));
  const auto path = folder_.write(
      "half.safetensors", formats::safetensors_bytes(R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                                                     formats::bytes_of<std::uint16_t>({0x3c00, 0x7e00})));
  EXPECT_TRUE(formats::mentions(
      formats::failure_of([&] { formats::check_finite(*formats::open_tensor_source(path), kUnseen); }),
      {"half.safetensors", "\"h\"", "nan", "element 1"}));
}

}  // namespace
}  // namespace scalekv::model
