#include "model/convert.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "formats/files.h"
#include "formats/finite.h"
#include "formats/safetensors_writer.h"
#include "runtime/ledger.h"

namespace scalekv::formats {
namespace {

std::string digest(std::string_view text) { return sha256_of(std::as_bytes(std::span(text))); }

const WorkProgress kUnseen = [](double, std::string_view) {};

struct Given {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

// A .safetensors file of float32 tensors.
void write_floats(const std::filesystem::path& path, const std::vector<Given>& tensors) {
  std::vector<TensorInfo> infos;
  for (const Given& tensor : tensors)
    infos.push_back({.name = tensor.name, .dtype = DType::f32, .shape = tensor.shape});
  SafetensorsWriter writer(path, infos, {});
  for (const Given& tensor : tensors) writer.append(std::as_bytes(std::span(tensor.values)));
  writer.finish();
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Three published files of a few tensors each, as the hub has them. What is NaN stops whoever looks at it.
class ConvertTest : public ::testing::Test {
 protected:
  ConvertTest() {
    write_floats(folder_ / "gpt.safetensors",
                 {{"trainer.gpt_fsdp.word_embed.weight", {2, 2}, {1.0F, 1.00390625F, -2.5F, 3.0e38F}},
                  {"trainer.gpt_fsdp.ada_gss", {1, 1, 1}, {1.00390625F}},
                  {"trainer.gpt_fsdp.attn_bias_for_masking", {1, 2}, {0.0F, -1.0F}},
                  {"trainer.gpt_fsdp.head.bias", {3}, {1.00390625F, 2.0F, 3.0F}},
                  {"trainer.opt.word_embed.weight.exp_avg", {1}, {0.0F}}});
    write_vae(7.0F);
    std::filesystem::create_directories(folder_ / "t5");
    write_floats(folder_ / "t5/model.safetensors", {{"shared.weight", {1, 2}, {1.0F, 2.0F}},
                                                    {"encoder.embed_tokens.weight", {1, 2}, {1.0F, 2.0F}},
                                                    {"encoder.final_layer_norm.weight", {1}, {0.5F}},
                                                    {"decoder.final_layer_norm.weight", {1}, {kNan}},
                                                    {"lm_head.weight", {1, 2}, {kNan, kNan}}});
    folder_.write("t5/spiece.model", "pieces");
  }

  void write_vae(float value) const {
    write_floats(folder_ / "vae.safetensors", {{"vae.decoder.conv_in.weight", {1, 1, 1, 1}, {value}},
                                               {"vae.encoder.conv_in.weight", {1, 1, 1, 1}, {8.0F}},
                                               {"vae.quantizer.mask", {1}, {1.0F}},
                                               {"disc.weight", {1}, {1.0F}}});
  }

  model::Bundle bundle() const {
    return model::open_bundle({.transformer = folder_ / "gpt.safetensors",
                               .vae = folder_ / "vae.safetensors",
                               .text_encoder = folder_ / "t5"});
  }

  std::shared_ptr<const TensorSource> converted(const model::ConversionOptions& options) const {
    model::convert_model(bundle(), folder_ / "out.safetensors", options, kUnseen);
    return open_tensor_source(folder_ / "out.safetensors");
  }

  TemporaryFolder folder_;
};

std::vector<std::string> names_of(const TensorSource& source) {
  std::vector<std::string> names;
  for (const TensorInfo& info : source.tensors()) names.push_back(info.name);
  return names;
}

TEST_F(ConvertTest, HoldsWhatTheEngineReadsUnderPublishedNames) {
  const auto source = converted({});
  EXPECT_EQ(names_of(*source),
            (std::vector<std::string>{"gpt.ada_gss", "gpt.head.bias", "gpt.word_embed.weight",
                                      "t5.encoder.final_layer_norm.weight", "t5.shared.weight", "tokenizer.spiece",
                                      "vae.decoder.conv_in.conv.weight", "vae.encoder.conv_in.conv.weight"}));
  EXPECT_EQ(names_of(*converted({.encoder = false})).size(), 7U);
  const model::Bundle again = model::open_bundle({.model = folder_ / "out.safetensors"});
  EXPECT_EQ(again.tokenizer, "pieces");
  EXPECT_TRUE(again.transformer && again.vae && again.text_encoder);
}

TEST_F(ConvertTest, MatricesAreRoundedAndTheRestIsExact) {
  const auto source = converted({});
  const Tensor matrix = source->load(*source->find("gpt.word_embed.weight"));
  EXPECT_EQ(matrix.dtype(), DType::bf16);
  EXPECT_EQ(to_float(matrix.view<BFloat16>()(0, 1)), 1.0F);  // half way, to even
  EXPECT_EQ(to_float(matrix.view<BFloat16>()(1, 0)), -2.5F);
  EXPECT_EQ(source->load(*source->find("gpt.head.bias")).view<const float>()(0), 1.00390625F);
  EXPECT_EQ(source->load(*source->find("gpt.ada_gss")).view<const float>()(0, 0, 0), 1.00390625F);
  const auto exact = converted({.weights = WeightType::f32});
  EXPECT_EQ(exact->load(*exact->find("gpt.word_embed.weight")).view<const float>()(0, 1), 1.00390625F);
}

TEST_F(ConvertTest, BlocksAreRoundedToInt8WithScales) {
  std::vector<float> values(32);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  write_floats(folder_ / "gpt.safetensors", {{"word_embed.weight", {2, 2}, {1.0F, 1.00390625F, -2.5F, 3.0e38F}},
                                             {"blocks.0.sa.proj.weight", {2, 16}, values},
                                             {"blocks.0.ffn.fc2.weight", {2, 16}, values}});
  const auto source = converted({.weights = WeightType::int8});
  const auto load = [&](const char* name) { return source->load(*source->find(name)); };
  EXPECT_EQ(load("gpt.word_embed.weight").dtype(), DType::f32);
  EXPECT_EQ(load("vae.decoder.conv_in.conv.weight").dtype(), DType::bf16);
  const Tensor codes = load("gpt.blocks.0.sa.proj.weight"), scales = load("gpt.blocks.0.sa.proj.weight_scale");
  for (std::int64_t i = 0; i < 32; ++i) {
    const float scale = scales.view<const float>()(i / 16);
    EXPECT_NEAR(static_cast<float>(codes.view<const std::int8_t>()(i / 16, i % 16)) * scale,
                values[static_cast<std::size_t>(i)], 0.5F * scale);
  }
  EXPECT_EQ(source->find("gpt.blocks.0.sa.proj.weight_rotation"), nullptr);
  // [1][4][4] along the middle, by the matrix and its signs written out.
  EXPECT_EQ(load("gpt.blocks.0.ffn.fc2.weight_rotation").view<const std::int32_t>()(0), 4);
  const Tensor rotated = load("gpt.blocks.0.ffn.fc2.weight"), steps = load("gpt.blocks.0.ffn.fc2.weight_scale");
  constexpr float kHadamard[4][4] = {{1, 1, 1, -1}, {1, -1, 1, 1}, {1, 1, -1, 1}, {1, -1, -1, -1}};
  for (std::int64_t i = 0; i < 32; ++i) {
    const std::int64_t row = i / 16, k = i % 16;
    float expected = 0.0F;
    for (std::int64_t j = 0; j < 4; ++j) {
      expected += 0.5F * kHadamard[k / 4][j] * values[static_cast<std::size_t>(row * 16 + j * 4 + k % 4)];
    }
    const float scale = steps.view<const float>()(row);
    EXPECT_NEAR(static_cast<float>(rotated.view<const std::int8_t>()(row, k)) * scale, expected, 0.51F * scale);
  }
  const model::Bundle again = model::open_bundle({.model = folder_ / "out.safetensors"});
  EXPECT_TRUE(mentions(failure_of([&] { model::plan_conversion(again, {}); }), {"out.safetensors", "int8"}));
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
  EXPECT_EQ(model::open_bundle({.model = folder_ / "out.safetensors"}).calibration_json, "{\"x\":1}");
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
  write_vae(kNan);
  EXPECT_TRUE(mentions(failure_of([&] { converted({}); }),
                       {"vae.safetensors", "\"vae.decoder.conv_in.weight\"", "nan", "element 0"}));
  EXPECT_EQ(read_file(folder_ / "out.safetensors"), first);
  EXPECT_EQ(folder_.files(), files);
}

// Apart from what does not lie in the file row by row, memory is that of a piece, however large the tensor.
TEST_F(ConvertTest, TakesMemoryForAPieceOnly) {
  constexpr std::int64_t kRows = 4, kColumns = std::int64_t{1} << 22U, kPieceBytes = kColumns * 4;
  write_floats(folder_ / "gpt.safetensors",
               {{"word_embed.weight", {1, 1}, {1.0F}},
                {"blocks.0.sa.proj.weight", {kRows, kColumns}, std::vector<float>(kRows * kColumns, 0.5F)}});
  for (const WeightType weights : {WeightType::f32, WeightType::bf16, WeightType::int8}) {
    ledger().reset_peaks();
    const std::int64_t before = ledger().current_total();
    converted({.weights = weights});
    const std::int64_t taken = ledger().peak_total() - before;
    EXPECT_GE(taken, kPieceBytes);
    EXPECT_LE(taken, 5 * kPieceBytes / 2) << "of " << kRows * kPieceBytes;
  }
}

TEST_F(ConvertTest, StoppingLeavesNothing) {
  const std::size_t files = folder_.files();
  const auto stop = [](double share, std::string_view) {
    if (share > 0.0) fail("stopped");
  };
  EXPECT_EQ(failure_of([&] { model::convert_model(bundle(), folder_ / "out.safetensors", {}, stop); }), "stopped");
  EXPECT_EQ(folder_.files(), files);
}

// Checkpoints that hold averaged weights beside the trained ones, or nothing but them.
TEST_F(ConvertTest, AveragedCopiesAreTakenOnlyWhereThereIsNothingElse) {
  const auto embedding = [&] {
    const model::Bundle opened = model::open_bundle({.transformer = folder_ / "gpt.safetensors"});
    return opened.transformer->load(*opened.transformer->infos().at("word_embed.weight")).view<const float>()(0, 0);
  };
  const Given averaged{"ema.word_embed.weight", {1, 1}, {1.0F}};
  write_floats(folder_ / "gpt.safetensors", {averaged, {"trainer.gpt_fsdp.word_embed.weight", {1, 1}, {2.0F}}});
  EXPECT_EQ(embedding(), 2.0F);
  write_floats(folder_ / "gpt.safetensors", {averaged});
  EXPECT_EQ(embedding(), 1.0F);
}

TEST_F(ConvertTest, MissingPartsAreNamedWithTheirOption) {
  const auto failure = [&](const model::BundlePaths& paths) {
    return failure_of([&] { model::plan_conversion(model::open_bundle(paths), {}); });
  };
  EXPECT_TRUE(mentions(failure({.transformer = folder_ / "gpt.safetensors", .vae = folder_ / "vae.safetensors"}),
                       {"text encoder", "--text-encoder"}));
  EXPECT_TRUE(mentions(failure({.model = folder_ / "gpt.safetensors"}), {"gpt.safetensors", "VAE", "--vae"}));
  EXPECT_TRUE(mentions(failure({.vae = folder_ / "gpt.safetensors"}), {"gpt.safetensors", "VAE"}));
  EXPECT_TRUE(mentions(failure({.text_encoder = folder_ / "t5/absent"}), {"absent"}));
}

TEST_F(ConvertTest, WeightsThatAreNotFiniteAreFoundInAnyType) {
  EXPECT_NO_THROW(check_finite(*open_tensor_source(folder_ / "vae.safetensors"), kUnseen));
  write_vae(-std::numeric_limits<float>::infinity());
  EXPECT_TRUE(mentions(failure_of([&] { check_finite(*open_tensor_source(folder_ / "vae.safetensors"), kUnseen); }),
                       {"vae.safetensors", "\"vae.decoder.conv_in.weight\"", "-inf", "element 0"}));
  const auto path =
      folder_.write("half.safetensors", safetensors_bytes(R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                                                          bytes_of<std::uint16_t>({0x3c00, 0x7e00})));
  EXPECT_TRUE(mentions(failure_of([&] { check_finite(*open_tensor_source(path), kUnseen); }),
                       {"half.safetensors", "\"h\"", "nan", "element 1"}));
}

}  // namespace
}  // namespace scalekv::formats
