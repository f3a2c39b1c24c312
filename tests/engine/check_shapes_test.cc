// The table of tensors against the parts that take them, and faults of a checkpoint that it shows.
#include "model/check_shapes.h"

#include <gtest/gtest.h>

#include <functional>

#include "infinity/transformer.h"
#include "model/tensor_table.h"
#include "support/failure.h"
#include "support/memory_source.h"
#include "text/t5_encoder.h"
#include "vae/decoder.h"
#include "vae/encoder.h"

namespace scalekv::engine {
namespace {

using testing::failure_of;
using testing::mentions;

constexpr model::InfinityConfig kTransformer = {.depth = 2,
                                                .width = 48,
                                                .heads = 3,
                                                .chunks = 2,
                                                .feed_forward = 256,
                                                .text_width = 128,
                                                .text_max = 16,
                                                .bits = 8};
const model::VaeConfig kVae = {.codebook = 8,
                               .decoder = {.base = 32, .multipliers = {1, 2, 2}, .blocks = 3},
                               .encoder = {.base = 32, .multipliers = {1, 1, 4}, .blocks = 1}};
constexpr model::T5Config kText = {
    .layers = 2, .width = 128, .heads = 4, .head_size = 32, .feed_forward = 256, .vocabulary = 300};

// Changes an entry, or drops it by answering false.
using Change = std::function<bool(model::TableEntry&)>;

Change keep_all() {
  return [](model::TableEntry&) { return true; };
}

// All tensors of a small model, of zeros, as one file that `change` has been at.
std::shared_ptr<testing::MemorySource> model_file(const Change& change) {
  auto source = std::make_shared<testing::MemorySource>("model.safetensors");
  const auto put = [&](const std::string& prefix) {
    return [&, prefix](const model::TableEntry& entry) {
      model::TableEntry changed = entry;
      if (change(changed)) source->put(prefix + changed.name, Tensor::zeros<float>(changed.shape, MemoryKind::other));
    };
  };
  model::visit_transformer(kTransformer, put("gpt."));
  model::visit_decoder(kVae, put("vae."));
  model::visit_encoder(kVae, put("vae."));
  model::visit_text_encoder(kText, put("t5."));
  return source;
}

model::Bundle bundle_of(const std::shared_ptr<const formats::TensorSource>& source) {
  model::Bundle bundle;
  bundle.transformer.emplace(source, "gpt.", "transformer");
  bundle.vae.emplace(source, "vae.", "VAE");
  bundle.text_encoder.emplace(source, "t5.", "text encoder");
  return bundle;
}

std::string failure_with(const Change& change) {
  return failure_of([&] {
    model::Bundle bundle = bundle_of(model_file(change));
    model::check_shapes(bundle);
  });
}

// Every constructor insists on its tensors, and that there are no others.
TEST(TensorTable, IsWhatThePartsTake) {
  model::Bundle bundle = bundle_of(model_file(keep_all()));
  const infinity::Transformer transformer(kTransformer, *bundle.transformer);
  const vae::Decoder decoder(kVae, *bundle.vae);
  const vae::Encoder encoder(kVae, *bundle.vae);
  bundle.vae->expect_all_used();
  const text::T5Encoder text_encoder(kText, *bundle.text_encoder);
}

TEST(CheckShapes, ASoundModelIsWhole) {
  model::Bundle bundle = bundle_of(model_file(keep_all()));
  EXPECT_EQ(model::check_shapes(bundle), (std::vector<std::string>{"transformer", "VAE", "text encoder"}));
  bundle = bundle_of(model_file(keep_all()));
  bundle.vae.reset();  // a transformer alone
  bundle.text_encoder.reset();
  EXPECT_EQ(model::check_shapes(bundle), (std::vector<std::string>{"transformer"}));
}

TEST(CheckShapes, TheVaeMayHaveNoEncoderButNotHalfOfOne) {
  const auto of_vae_encoder = [](const model::TableEntry& entry) {
    return entry.name.starts_with("encoder.") && !entry.name.starts_with("encoder.block") &&
           !entry.name.starts_with("encoder.final");
  };
  EXPECT_EQ(failure_with([&](model::TableEntry& entry) { return !of_vae_encoder(entry); }), "");
  EXPECT_TRUE(
      mentions(failure_with([](model::TableEntry& entry) { return entry.name != "encoder.conv_out.conv.bias"; }),
               {"VAE", "encoder.conv_out.conv.bias"}));
}

TEST(CheckShapes, LeftoversOfTrainingArePassedOver) {
  const auto source = model_file(keep_all());
  for (const char* name : {"gpt.lvl_1L", "gpt.block_chunks.1.module.0.sa.zero_k_bias", "vae.quantizer.mask",
                           "t5.decoder.final_layer_norm.weight", "t5.encoder.embed_tokens.weight"}) {
    source->put(name, Tensor::zeros<float>({1}, MemoryKind::other));
  }
  model::Bundle bundle = bundle_of(source);
  EXPECT_NO_THROW(model::check_shapes(bundle));
}

// Not always by its own name: sizes are read off some tensors, and then the next one does not fit.
TEST(CheckShapes, EveryTensorIsMissedAndEveryShapeMatters) {
  std::vector<std::string> names;
  failure_with([&](model::TableEntry& entry) {
    names.push_back(entry.name);
    return true;
  });
  ASSERT_GT(names.size(), 100U);
  for (const std::string& name : names) {
    EXPECT_NE(failure_with([&](model::TableEntry& entry) { return entry.name != name; }), "") << name;
    EXPECT_NE(failure_with([&](model::TableEntry& entry) {
                if (entry.name == name) entry.shape = {7, 3};
                return true;
              }),
              "")
        << name;
  }
}

TEST(CheckShapes, FaultsAreNamed) {
  const auto swapped = [](model::TableEntry& entry) {
    if (entry.name == "block_chunks.1.module.0.ffn.fc1.weight") entry.shape = {entry.shape[1], entry.shape[0]};
    return true;
  };
  EXPECT_TRUE(mentions(failure_with(swapped), {"transformer in model.safetensors", "[48, 256], expected [256, 48]",
                                               "block_chunks.1.module.0.ffn.fc1.weight"}));
  const auto missing = [](model::TableEntry& entry) { return entry.name != "block_chunks.1.module.0.ffn.fc1.bias"; };
  EXPECT_TRUE(mentions(failure_with(missing), {"no tensor", "gpt.block_chunks.1.module.0.ffn.fc1.bias"}));
  const auto source = model_file(keep_all());
  source->put("vae.decoder.up.0.attn.0.q.weight", Tensor::zeros<float>({1}, MemoryKind::other));
  model::Bundle bundle = bundle_of(source);
  EXPECT_TRUE(mentions(failure_of([&] { model::check_shapes(bundle); }), {"VAE", "decoder.up.0.attn.0.q.weight"}));
}

// One name cannot make anybody look for a million blocks.
TEST(CheckShapes, NumbersOfBlocksAreBelievedOnlyWhereTheBlocksAreThere) {
  for (const char* name : {"gpt.block_chunks.1000000000000.module.0.x", "gpt.block_chunks.9223372036854775807.x",
                           "gpt.block_chunks.0.module.9223372036854775807.x"}) {
    const auto source = model_file(keep_all());
    source->put(name, Tensor::zeros<float>({1}, MemoryKind::other));
    model::Bundle bundle = bundle_of(source);
    EXPECT_TRUE(mentions(failure_of([&] { model::check_shapes(bundle); }), {"transformer", "cut short"})) << name;
  }
}

}  // namespace
}  // namespace scalekv::engine
