#include "model/weight_names.h"

#include <gtest/gtest.h>

#include "formats/archives.h"
#include "model/bundle.h"

namespace scalekv::formats {
namespace {

TEST(WeightNames, WrappersAreSeenThrough) {
  for (const auto& [raw, name] : std::vector<std::pair<std::string, std::string>>{
           {"word_embed.weight", "word_embed.weight"},
           {"_orig_mod.word_embed.weight", "word_embed.weight"},
           {"module.word_embed.weight", "word_embed.weight"},
           {"module._orig_mod.module.head.weight", "head.weight"},
           {"trainer.gpt_fsdp._fsdp_wrapped_module.head.weight", "trainer.gpt_fsdp.head.weight"},
           {"block_chunks.0.module.1.ffn.fc1.weight", "block_chunks.0.module.1.ffn.fc1.weight"},
           {"module.block_chunks.0.module.1.ffn.fc1.weight", "block_chunks.0.module.1.ffn.fc1.weight"},
           {"block_chunks.0.module.module.1.ffn.fc1.weight", "block_chunks.0.module.1.ffn.fc1.weight"},
           {"block_chunks.0._fsdp_wrapped_module.module.1._fsdp_wrapped_module.ffn._orig_mod.fc1.module.weight",
            "block_chunks.0.module.1.ffn.fc1.weight"},
           {"blocks.3._checkpoint_wrapped_module.sa.proj.bias", "blocks.3.sa.proj.bias"},
           {"decoder.module.conv_in.conv.weight", "decoder.conv_in.conv.weight"},
           {"a.module", "a.module"},  // a tensor of this name
           {"my_module.weight", "my_module.weight"},
           {"", ""}}) {
    EXPECT_EQ(model::unwrapped(raw), name) << raw;
  }
}

// A file of one float under each of these names, as a PyTorch archive and as .safetensors.
std::filesystem::path write_pth(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  std::string items;
  const std::string storage = op::storage("FloatStorage", "0", 4);
  for (std::size_t i = 0; i < names.size(); ++i)
    items += op::text(names[i]) + op::tensor(storage, static_cast<std::int64_t>(i % 4), {1}, {1});
  return folder.write("a.pth", zip_bytes(torch_parts("}(" + items + "u")));
}

std::filesystem::path write_safetensors(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  std::string header, data;
  for (std::size_t i = 0; i < names.size(); ++i) {
    header += fmt::format(R"({}"{}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}})", i == 0 ? "" : ",", names[i],
                          4 * i, 4 * i + 4);
    data += le(static_cast<float>(i % 4 + 1));
  }
  return folder.write("a.safetensors", safetensors_bytes("{" + header + "}", data));
}

float first_of(WeightMap& weights, std::string_view name) {
  const Tensor tensor = weights.take(name, {1});
  return tensor.view<float>()(0);
}

// The number that a transformer's first matrix has: 1 for the first name of a file, and so on; 0: no transformer.
float chosen(const std::vector<std::string>& names, bool ema = false) {
  std::vector<float> found;
  for (const auto& write : {write_pth, write_safetensors}) {
    const TemporaryFolder folder;
    model::Bundle bundle = model::open_bundle({.model = write(folder, names), .ema = ema});
    found.push_back(bundle.transformer ? first_of(*bundle.transformer, "word_embed.weight") : 0.0F);
  }
  EXPECT_EQ(found[0], found[1]);
  return found[0];
}

TEST(WeightNames, TheWeightsOfInferenceAreTaken) {
  const std::string w = "word_embed.weight";
  EXPECT_EQ(chosen({"other", w}), 2.0F);
  EXPECT_EQ(chosen({"trainer.gpt_ema_fsdp." + w, "trainer.gpt_fsdp." + w}), 2.0F);
  EXPECT_EQ(chosen({"ema." + w, "trainer.module.gpt_fsdp._orig_mod." + w}), 2.0F);
  EXPECT_EQ(chosen({"trainer.gpt_ema_for_vis." + w, "trainer.gpt_wo_ddp." + w}), 2.0F);
  EXPECT_EQ(chosen({"opt.exp_avg." + w, "trainer.gpt_fsdp." + w}), 2.0F);  // moments have the weights' names
  EXPECT_EQ(chosen({"EMA." + w, "cinema.network." + w}), 2.0F);
  EXPECT_EQ(chosen({"trainer.gpt_ema_fsdp." + w}), 1.0F);  // where there is nothing else
  EXPECT_EQ(chosen({"trainer.sword_embed.weight"}), 0.0F);
}

TEST(WeightNames, AveragesByAnOption) {
  const std::string w = "word_embed.weight";
  EXPECT_EQ(chosen({"trainer.gpt_fsdp." + w, "trainer.gpt_ema_fsdp." + w}, true), 2.0F);
  EXPECT_EQ(chosen({"trainer.gpt_wo_ddp." + w, "trainer.gpt_ema_for_vis._orig_mod." + w}, true), 2.0F);
  EXPECT_EQ(chosen({"model." + w, "module.ema.module." + w}, true), 2.0F);
  EXPECT_EQ(chosen({"model." + w, "state_dict_EMA." + w}, true), 2.0F);
}

TEST(WeightNames, AveragesThatThereAreNotAreNamed) {
  const TemporaryFolder folder;
  const auto path = write_safetensors(folder, {"trainer.gpt_fsdp.word_embed.weight", "cinema.word_embed.weight"});
  for (const model::BundlePaths& paths :
       {model::BundlePaths{.model = path, .ema = true}, model::BundlePaths{.transformer = path, .ema = true}}) {
    EXPECT_THROW(model::open_bundle(paths), UsageError);
    EXPECT_TRUE(mentions(failure_of([&] { model::open_bundle(paths); }),
                         {"a.safetensors", "EMA", "\"trainer.gpt_fsdp.\"", "\"cinema.\"", "`ema`"}));
  }
}

// A VAE's average will do where the transformer is not asked for, and is no reason to take a transformer's last step.
TEST(WeightNames, AveragesOfAVae) {
  const TemporaryFolder folder;
  const auto path = write_safetensors(folder, {"vae.decoder.conv_in.conv.weight", "ema.decoder.conv_in.conv.weight"});
  const auto vae = [&](bool ema) {
    model::Bundle bundle = model::open_bundle({.vae = path, .ema = ema});
    return first_of(*bundle.vae, "decoder.conv_in.conv.weight");
  };
  EXPECT_EQ(vae(false), 1.0F);
  EXPECT_EQ(vae(true), 2.0F);
  const TemporaryFolder other;  // of the same name, which the first one has by now
  const auto transformer = write_pth(other, {"word_embed.weight"});
  EXPECT_TRUE(mentions(failure_of([&] { model::open_bundle({.transformer = transformer, .vae = path, .ema = true}); }),
                       {"transformer in", "a.pth", "EMA"}));
}

TEST(WeightNames, TwoFormsOfANameAreNamed) {
  const TemporaryFolder folder;
  const auto path = write_pth(folder, {"m.word_embed.weight", "m.module.word_embed.weight"});
  EXPECT_TRUE(mentions(failure_of([&] { model::open_bundle({.model = path}); }),
                       {"a.pth", "\"m.word_embed.weight\"", "\"m.module.word_embed.weight\"", "keep one"}));
}

// A weight that marks a network and cannot be read is found, so that it can be named.
TEST(WeightNames, AMarkerThatIsNoTensorIsFound) {
  const TemporaryFolder folder;
  const std::string sound = op::tensor(op::storage("FloatStorage", "0", 4), 0, {1}, {1});
  const std::string shard = op::global("torch.distributed._shard.sharded_tensor.api", "ShardedTensor") + ")\x81";
  const auto path = folder.write("a.pth", zip_bytes(torch_parts("}(" + op::text("module.word_embed.weight") + shard +
                                                                op::text("module.head.weight") + sound + "u")));
  const model::Bundle bundle = model::open_bundle({.transformer = path});
  EXPECT_TRUE(mentions(failure_of([&] { static_cast<void>(bundle.transformer->shape("word_embed.weight")); }),
                       {"\"module.word_embed.weight\"", "ShardedTensor", "gather the shards"}));
}

}  // namespace
}  // namespace scalekv::formats
