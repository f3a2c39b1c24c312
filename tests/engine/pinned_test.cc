// Ten pictures of the embedded model, pinned by the SHA-256 of their pixels: a change that was to leave pictures as
// they are has to leave these. The last bits of sums differ between instruction sets and compilers, and bits of
// pictures with them: each kind of machine that was measured has its own row, for the compiler and the flags of preset
// `release`. Where pictures change on purpose, the test's output has the new rows:
//   test_engine --gtest_filter='PinnedPictures.*' --gtest_also_run_disabled_tests
// and the same with ONEDNN_MAX_CPU_ISA=AVX2 in the environment, which takes oneDNN's product away.
#define HWY_WANT_AVX3_DL  // as the product of int8 weights
#include "kernels/simd_targets.h"

#include <dnnl.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <vector>

#include "base/sha256.h"
#include "kernels/machine.h"
#include "kernels/products.h"
#include "scalekv/pipeline.h"

namespace scalekv {
namespace {

constexpr std::size_t kPictures = 10;
using Hashes = std::array<std::string, kPictures>;  // the first 16 digits

struct Drawn {
  const char* weights;
  Request request;
};

// Kinds of policies, types of weights, precisions of the cache and options that change a picture.
std::array<Drawn, kPictures> pictures() {
  return {{
      {"f32", {.prompt = "a red ring above a blue square", .seed = 1, .cache = {.policy = "full"}}},
      {"f32", {.prompt = "a small green star", .seed = 2}},
      {"f32", {.prompt = "two yellow circles", .seed = 3, .aspect = 1.5, .cache = {.policy = "scalekv"}}},
      {"f32",
       {.prompt = "a large black cross on a pink background",
        .negative_prompt = "a blue circle",
        .seed = 4,
        .cache = {.policy = "scalekv", .budget = 0.2, .selector = "attention", .precision = "bf16"}}},
      {"f32",
       {.prompt = "a purple triangle left of a white square",
        .seed = 5,
        .guidance_layer = 2,
        .cache = {.policy = "h2o", .budget = 0.2, .precision = "int8"}}},
      {"bf16", {.prompt = "three orange squares", .seed = 6, .cache = {.policy = "snapkv", .precision = "bf16"}}},
      {"bf16", {.prompt = "a blue ring", .seed = 7, .cfg = {1.0F}, .cache = {.policy = "heatkv", .budget = 0.3}}},
      {"int8", {.prompt = "a white star below a red circle", .seed = 8, .cache = {.policy = "pyramidkv"}}},
      {"int8",
       {.prompt = "a green square right of a yellow cross",
        .seed = 9,
        .tau = {0.5F},
        .cache = {.policy = "hack", .budget = 0.2, .precision = "int8"}}},
      {"int8",
       {.prompt = "a black triangle on a cyan background",
        .seed = (std::uint64_t{1} << 40) + 10,
        .aspect = 0.5,
        .top_p = 0.0,
        .cache = {.policy = "streaming-llm", .precision = "int8"}}},
  }};
}

// What decides about the last bits: the instruction set of our kernels, and the product of float32 matrices.
std::string kind_of_machine() {
  const std::string product = kernels::product_name(WeightType::f32, 192, 192);
  if (!product.starts_with("oneDNN ")) return product;
  return fmt::format("{} {}, {}", product, dnnl_version()->major, kernels::highway_target());
}

struct Row {
  std::vector<std::string> kinds;
  Hashes hashes;
};

// AVX3 is AVX-512, AVX3_DL the same with VNNI, AVX3_ZEN4 and AVX3_SPR with more that we do not use, SCALAR what runs
// where there is no AVX2.
const std::vector<Row>& pinned() {
  static const std::vector<Row> rows = {
      {{"oneDNN brg:avx512_core 2, AVX3_DL", "oneDNN brg_matmul:avx512_core 3, AVX3_DL",
        "oneDNN brg_matmul:avx512_core 3, AVX3_ZEN4", "oneDNN brg_matmul:avx512_core 3, AVX3_SPR"},
       {"14b1b0c45b0f17bd", "0a35c566247f527f", "15b32a246f738cc9", "036621ab11158aec", "3047e9cecf90faef",
        "c3d956ce24a3c11e", "778d3b3d6fb61203", "55cb9e3f6fa789ee", "4ef80c8a57de75f9", "55577cc2abaa0134"}},
      {{"oneDNN brg:avx512_core 2, AVX3", "oneDNN brg:avx512_core 2, AVX2", "oneDNN brg_matmul:avx512_core 3, AVX3",
        "oneDNN brg_matmul:avx512_core 3, AVX2"},
       {"14b1b0c45b0f17bd", "0a35c566247f527f", "15b32a246f738cc9", "036621ab11158aec", "3047e9cecf90faef",
        "c3d956ce24a3c11e", "778d3b3d6fb61203", "ea93c124409dbfab", "79e09940913908a6", "9d2597b55c2b8010"}},
      {{"oneDNN brg:avx512_core 2, SCALAR", "oneDNN brg_matmul:avx512_core 3, SSE2"},
       {"2f211db8717e7b1e", "2e78b0a210a581e8", "563d61172ddb27a3", "036621ab11158aec", "dea2cecbfb22a9c4",
        "eed63d5bd5dcf86a", "778d3b3d6fb61203", "ea93c124409dbfab", "8662e44d030f75f4", "9a4bb350bcb5cdbd"}},
      {{"panels AVX3_DL", "panels AVX3_ZEN4", "panels AVX3_SPR"},
       {"14b1b0c45b0f17bd", "0a35c566247f527f", "15b32a246f738cc9", "036621ab11158aec", "f7e4dc9bb2a555e2",
        "c3d956ce24a3c11e", "778d3b3d6fb61203", "afbc785f739633fd", "e43f953ea298ae6a", "8199809f85ab352e"}},
      {{"panels AVX3", "panels AVX2"},
       {"14b1b0c45b0f17bd", "0a35c566247f527f", "15b32a246f738cc9", "036621ab11158aec", "f7e4dc9bb2a555e2",
        "c3d956ce24a3c11e", "778d3b3d6fb61203", "ea93c124409dbfab", "3e97b33f1a232476", "9a4bb350bcb5cdbd"}},
      {{"panels SCALAR", "panels SSE2"},
       {"2f211db8717e7b1e", "2e78b0a210a581e8", "563d61172ddb27a3", "036621ab11158aec", "dea2cecbfb22a9c4",
        "eed63d5bd5dcf86a", "778d3b3d6fb61203", "ea93c124409dbfab", "bc1fd4178c4b8a3b", "a9244740179fe93a"}},
  };
  return rows;
}

// Those of this kind of machine; null where none are pinned.
const Hashes* pinned_here() {
  for (const Row& row : pinned()) {
    if (std::ranges::find(row.kinds, kind_of_machine()) != row.kinds.end()) return &row.hashes;
  }
  return nullptr;
}

Hashes draw() {
  std::map<std::string, Pipeline> opened;
  Hashes hashes;
  for (std::size_t i = 0; const auto& [weights, request] : pictures()) {
    auto pipeline = opened.find(weights);
    if (pipeline == opened.end()) {
      pipeline = opened.emplace(weights, Pipeline::open({}, {.weights = weights})).first;
    }
    const Image image = pipeline->second.generate(request);
    hashes[i++] = sha256_of(std::as_bytes(std::span(image.rgb))).substr(0, 16);
  }
  return hashes;
}

constexpr std::array<std::string_view, 2> kPinnedBuilds = {"GNU 12, Release -O2 -DNDEBUG",
                                                           "GNU 14, Release -O2 -DNDEBUG"};

// Which of the pictures that were drawn are not those that are pinned, and the row that they would make.
std::string difference(const Hashes& expected, const Hashes& drawn) {
  std::string seeds;
  for (std::size_t i = 0; i < kPictures; ++i) {
    if (expected[i] != drawn[i]) seeds += fmt::format(" {}", i + 1);
  }
  return fmt::format("on {}, pictures{} are others:\n{{\"{}\"}}", kind_of_machine(), seeds, fmt::join(drawn, "\", \""));
}

TEST(PinnedPictures, AreThoseOfTheLastRelease) {
  if (std::ranges::find(kPinnedBuilds, SCALEKV_BUILD) == kPinnedBuilds.end()) {
    GTEST_SKIP() << "pictures are pinned for " << fmt::format("{}", fmt::join(kPinnedBuilds, " and ")) << ", this is "
                 << SCALEKV_BUILD;
  }
  const Hashes* expected = pinned_here();
  const Hashes drawn = draw();
  if (expected == nullptr) GTEST_SKIP() << "nothing is pinned for this kind of machine: " << difference({}, drawn);
  EXPECT_EQ(*expected, drawn) << difference(*expected, drawn);
}

// On all kinds of machines that this one can stand for.
TEST(PinnedPictures, DISABLED_OnEveryInstructionSet) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    // A file that is not compiled for this one runs the next one's code.
    hwy::SetSupportedTargetsForTest(target <= HWY_AVX3_DL ? target | HWY_AVX3 : target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    const Hashes* expected = pinned_here();
    const Hashes drawn = draw();
    EXPECT_TRUE(expected != nullptr && *expected == drawn) << difference(expected ? *expected : Hashes{}, drawn);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace
}  // namespace scalekv
