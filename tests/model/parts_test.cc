// Faults of a checkpoint that the tables show.
#include "model/parts.h"

#include <gtest/gtest.h>

#include <functional>

#include "support/failure.h"
#include "support/memory_source.h"
#include "support/small_model.h"

namespace scalekv::model {
namespace {

using testing::failure_of;
using testing::mentions;

// Changes an entry, or drops it by answering false.
using Change = std::function<bool(TensorSpec&)>;

Change keep_all() {
  return [](TensorSpec&) { return true; };
}

// All tensors of a small model, of zeros, as one file that `change` has been at.
std::shared_ptr<testing::MemorySource> model_file(const Change& change) {
  auto source = std::make_shared<testing::MemorySource>("model.safetensors");
  testing::visit_small_model([&](const std::string& prefix, const TableEntry& entry) {
    TensorSpec changed = entry.spec;
    changed.name = entry.name;
    if (change(changed)) source->put(prefix + changed.name, Tensor::zeros<float>(changed.shape, MemoryKind::other));
  });
  return source;
}

Bundle bundle_of(const std::shared_ptr<const formats::TensorSource>& source) {
  Bundle bundle;
  bundle.transformer.emplace(source, "gpt.", "transformer");
  bundle.vae.emplace(source, "vae.", "VAE");
  bundle.text_encoder.emplace(source, "t5.", "text encoder");
  return bundle;
}

std::string failure_with(const Change& change) {
  return failure_of([&] {
    Bundle bundle = bundle_of(model_file(change));
    check_shapes(bundle);
  });
}

TEST(CheckShapes, ASoundModelIsWhole) {
  Bundle bundle = bundle_of(model_file(keep_all()));
  EXPECT_EQ(check_shapes(bundle), (std::vector<std::string>{"transformer", "VAE", "text encoder"}));
  bundle = bundle_of(model_file(keep_all()));
  bundle.vae.reset();  // a transformer alone
  bundle.text_encoder.reset();
  EXPECT_EQ(check_shapes(bundle), (std::vector<std::string>{"transformer"}));
}

TEST(CheckShapes, TheVaeMayHaveNoEncoderButNotHalfOfOne) {
  const auto of_vae_encoder = [](const TensorSpec& entry) {
    return entry.name.starts_with("encoder.") && !entry.name.starts_with("encoder.block") &&
           !entry.name.starts_with("encoder.final");
  };
  EXPECT_EQ(failure_with([&](TensorSpec& entry) { return !of_vae_encoder(entry); }), "");
  EXPECT_TRUE(mentions(failure_with([](TensorSpec& entry) { return entry.name != "encoder.conv_out.conv.bias"; }),
                       {"VAE", "encoder.conv_out.conv.bias"}));
}

TEST(CheckShapes, LeftoversOfTrainingArePassedOver) {
  const auto source = model_file(keep_all());
  for (const char* name : {"gpt.lvl_1L", "gpt.block_chunks.1.module.0.sa.zero_k_bias", "vae.quantizer.mask",
                           "t5.decoder.final_layer_norm.weight", "t5.encoder.embed_tokens.weight"}) {
    source->put(name, Tensor::zeros<float>({1}, MemoryKind::other));
  }
  Bundle bundle = bundle_of(source);
  EXPECT_NO_THROW(check_shapes(bundle));
}

// Not always by its own name: sizes are read off some tensors, and then the next one does not fit.
TEST(CheckShapes, EveryTensorIsMissedAndEveryShapeMatters) {
  std::vector<std::string> names;
  failure_with([&](TensorSpec& entry) {
    names.push_back(entry.name);
    return true;
  });
  ASSERT_GT(names.size(), 100U);
  for (const std::string& name : names) {
    EXPECT_NE(failure_with([&](TensorSpec& entry) { return entry.name != name; }), "") << name;
    EXPECT_NE(failure_with([&](TensorSpec& entry) {
                if (entry.name == name) entry.shape = {7, 3};
                return true;
              }),
              "")
        << name;
  }
}

TEST(CheckShapes, FaultsAreNamed) {
  const auto swapped = [](TensorSpec& entry) {
    if (entry.name == "block_chunks.1.module.0.ffn.fc1.weight") entry.shape = {entry.shape[1], entry.shape[0]};
    return true;
  };
  EXPECT_TRUE(mentions(failure_with(swapped), {"transformer in model.safetensors", "[48, 256], expected [256, 48]",
                                               "block_chunks.1.module.0.ffn.fc1.weight"}));
  const auto missing = [](TensorSpec& entry) { return entry.name != "block_chunks.1.module.0.ffn.fc1.bias"; };
  EXPECT_TRUE(mentions(failure_with(missing), {"no tensor", "gpt.block_chunks.1.module.0.ffn.fc1.bias"}));
  const auto source = model_file(keep_all());
  source->put("vae.decoder.up.0.attn.0.q.weight", Tensor::zeros<float>({1}, MemoryKind::other));
  Bundle bundle = bundle_of(source);
  EXPECT_TRUE(mentions(failure_of([&] { check_shapes(bundle); }), {"VAE", "decoder.up.0.attn.0.q.weight"}));
}

// One name cannot make anybody look for a million blocks.
TEST(CheckShapes, NumbersOfBlocksAreBelievedOnlyWhereTheBlocksAreThere) {
  for (const char* name : {"gpt.block_chunks.1000000000000.module.0.x", "gpt.block_chunks.9223372036854775807.x",
                           "gpt.block_chunks.0.module.9223372036854775807.x"}) {
    const auto source = model_file(keep_all());
    source->put(name, Tensor::zeros<float>({1}, MemoryKind::other));
    Bundle bundle = bundle_of(source);
    EXPECT_TRUE(mentions(failure_of([&] { check_shapes(bundle); }), {"transformer", "cut short"})) << name;
  }
}

}  // namespace
}  // namespace scalekv::model
