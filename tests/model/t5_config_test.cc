#include "model/t5_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "support/failure.h"

namespace scalekv::model {
namespace {

using testing::failure_of;
using testing::mentions;

constexpr T5Config kLarge = {
    .layers = 24, .width = 2048, .heads = 32, .head_size = 64, .feed_forward = 5120, .vocabulary = 32128};

// What a file of this text fails with beside flan-t5-xl.
std::string failure_of_file(const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("scalekv-config-{}.json", ::getpid());
  write_file(path, text);
  const std::string failure = failure_of([&] { check_published_config(kLarge, path); });
  std::filesystem::remove(path);
  return failure;
}

// As flan-t5-xl has it, apart from what decoding needs.
const std::string kPublished =
    R"({"architectures": ["T5ForConditionalGeneration"], "d_ff": 5120, "d_kv": 64, "d_model": 2048, "dropout_rate": 0.1,
        "feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-06, "model_type": "t5", "num_heads": 32,
        "num_layers": 24, "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32,
        "vocab_size": 32128})";

TEST(PublishedConfig, ThatOfTheWeightsPasses) {
  EXPECT_EQ(failure_of_file(kPublished), "");
  EXPECT_EQ(failure_of_file("{}"), "");
}

TEST(PublishedConfig, ContradictionsAreNamedWithBothValues) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kPublished;
    return failure_of_file(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_TRUE(mentions(with("\"num_layers\": 24", "\"num_layers\": 12"), {"config", "num_layers", "12", "24"}));
  EXPECT_TRUE(mentions(with("max_distance\": 128", "max_distance\": 256"), {"max_distance", "256", "128"}));
  EXPECT_TRUE(mentions(with("1e-06", "1e-05"), {"layer_norm_epsilon", "1e-05", "1e-06"}));
  EXPECT_TRUE(mentions(with("gated-gelu", "gated-silu"), {"feed_forward_proj", "gated-silu", "gated-gelu"}));
  EXPECT_TRUE(mentions(with("\"t5\"", "\"umt5\""), {"model_type", "umt5"}));
  EXPECT_TRUE(mentions(with("\"num_heads\": 32", "\"num_heads\": \"32\""), {"num_heads"}));
  for (const char* key : {"d_ff", "d_kv", "d_model", "num_buckets", "vocab_size"}) {
    EXPECT_TRUE(mentions(with(std::string(key) + "\": ", std::string(key) + "\": 9"), {key})) << key;
  }
}

TEST(PublishedConfig, HostileFilesAreRefused) {
  const std::vector<std::string> hostile = {"[]",
                                            "7",
                                            "{",
                                            "",
                                            R"({"d_ff": 5120, "d_ff": 5120})",
                                            "{\"a\": \"\xff\"}",
                                            "{\"a\": " + std::string(100, '[') + std::string(100, ']') + "}",
                                            std::string(2'000'000, ' '),
                                            R"({"d_ff": [)" + std::string(1000, '1') + "]}"};
  for (const std::string& text : hostile) {
    EXPECT_TRUE(mentions(failure_of_file(text), {"scalekv-config-"})) << text.substr(0, 40);
  }
  EXPECT_TRUE(mentions(failure_of([] { check_published_config(kLarge, "/dev/zero"); }), {"/dev/zero"}));
}

}  // namespace
}  // namespace scalekv::model
