// Pictures that say the same about themselves are the same: every field that a picture depends on is varied, and
// wherever two pictures differ, so must their metadata.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/settings.h"
#include "cache/budget_file.h"
#include "engine/description.h"
#include "engine/model.h"
#include "scalekv/pipeline.h"

namespace scalekv::engine {
namespace {

using Names = std::set<std::string>;

// The names of all members. A member that is added stops this from compiling: name it here, and vary it below.
Names members(const Request& request) {
  [[maybe_unused]] const auto& [prompt, negative_prompt, seed, images, batch, size, aspect, cfg, tau, guidance_layer,
                                top_k, top_p, face_prompt, cache] = request;
  return {"prompt", "negative_prompt", "seed",  "images", "batch",      "size", "aspect", "cfg",
          "tau",    "guidance_layer",  "top_k", "top_p",  "face_prompt"};
}
Names members(const CacheSettings& settings) {
  // budgets_text is what the file of budgets holds.
  [[maybe_unused]] const auto& [policy, budget, selector, calibration, precision, budgets, budgets_text] = settings;
  return {"policy", "budget", "selector", "calibration", "precision", "budgets"};
}
Names members(const OpenOptions& options) {
  [[maybe_unused]] const auto& [threads, transformer, vae, text_encoder, ema, weights, random_architecture,
                                keep_text_encoder, warn, memory_limit] = options;
  // text_encoder, ema and random_architecture: see the fingerprints below. warn: a function that is told things.
  return {"threads", "transformer", "vae", "weights", "keep_text_encoder", "memory_limit"};
}

struct Variation {
  std::string member;
  std::function<void(Request&)> change = [](Request&) {};
  std::optional<OpenOptions> open = {};  // none: the usual ones
  std::filesystem::path model = {};
  int image = 0;
};

const std::string kModel = SCALEKV_SOURCE_DIR "/models/shapes-7s.safetensors";

std::filesystem::path file_with(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "description" / name;
  std::filesystem::create_directories(path.parent_path());
  write_file(path, text);
  return path;
}

// The embedded model with one matrix zeroed.
std::filesystem::path model_without(const std::string& name, const std::string& tensor) {
  std::string bytes = read_file(kModel);
  std::uint64_t header = 0;
  std::copy_n(bytes.data(), sizeof header, reinterpret_cast<char*>(&header));
  const auto json = nlohmann::json::parse(bytes.substr(8, header));
  const auto range = json.at(tensor).at("data_offsets").get<std::vector<std::size_t>>();
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(8 + header + range[0]),
            bytes.begin() + static_cast<std::ptrdiff_t>(8 + header + range[1]), '\0');
  return file_with(name, bytes);
}

// Calibrations and budgets of one name and different contents.
std::filesystem::path calibration(const std::string& folder, double turn) {
  cache::Calibration made = cache::parse_calibration(embedded_calibration(), "embedded");
  const cache::CacheGeometry& geometry = made.statistics.geometry();
  for (int head = 0; head < geometry.layers * geometry.heads && turn != 0.0; ++head) {
    for (int scale = 0; scale < geometry.scale_count(); ++scale) {
      const int layer = head / geometry.heads, mine = head % geometry.heads;
      cache::HeadStatistics means = made.statistics.at(scale, layer, mine);
      for (std::size_t region = 0; region < means.removal.size(); ++region) {
        means.removal[region] *= 1.0 + turn * static_cast<double>((region * 7 + static_cast<std::size_t>(head)) % 5);
      }
      made.statistics.set(scale, layer, mine, means, 1);
    }
  }
  return file_with(folder + "/same.calibration.json", cache::to_json(made));
}
std::filesystem::path budgets(const std::string& folder, double share) {
  const auto known = std::make_shared<cache::Calibration>(cache::parse_calibration(embedded_calibration(), "embedded"));
  const cache::BudgetFile file = cache::allocate({.name = "adaptive", .share = share, .calibration = known},
                                                 known->statistics.geometry(), known->model);
  return file_with(folder + "/same.json", cache::to_json(file));
}

std::vector<Variation> variations() {
  const auto request = [](const std::string& member, auto change) {
    return Variation{.member = member, .change = change};
  };
  std::vector<Variation> list = {
      {.member = "nothing"},
      request("prompt", [](Request& r) { r.prompt = "two green stars"; }),
      request("negative_prompt", [](Request& r) { r.negative_prompt = "a blue square"; }),
      request("seed", [](Request& r) { r.seed = 1234567890123; }),
      request("batch", [](Request& r) { r.batch = r.images = 2; }),
      request("size", [](Request& r) { r.size = "0.25M"; }),
      request("aspect", [](Request& r) { r.aspect = 1.5; }),
      request("cfg", [](Request& r) { r.cfg = {3.0F}; }),
      request("cfg", [](Request& r) { r.cfg = {3.0F, 3.0F, 3.0F, 3.0F, 3.0F, 3.0F, 1.5F}; }),
      request("cfg", [](Request& r) { r.cfg = {std::nextafter(3.0F, 4.0F)}; }),
      request("tau", [](Request& r) { r.tau = {1.0F}; }),
      request("tau", [](Request& r) { r.tau = {1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 0.5F}; }),
      request("guidance_layer", [](Request& r) { r.guidance_layer = 2; }),
      request("top_k", [](Request& r) { r.top_k = 1; }),
      request("top_p", [](Request& r) { r.top_p = 0.0; }),
      request("top_p", [](Request& r) { r.top_p = 0.8; }),
      request("face_prompt", [](Request& r) { r.prompt = "a red circle, woman"; }),
      request("face_prompt", [](Request& r) { r.prompt = "a red circle, woman", r.face_prompt = true; }),
      request("budget", [](Request& r) { r.cache.budget = 0.04; }),
      request("budget", [](Request& r) { r.cache.budget = 0.0943396; }),  // 25.000 tokens of 265
      request("budget", [](Request& r) { r.cache.budget = 24.5 / 265.0; }),
      request("budget", [](Request& r) { r.cache.budget = std::nextafter(24.5 / 265.0, 0.0); }),
      request("selector", [](Request& r) { r.cache.policy = "scalekv", r.cache.selector = "attention"; }),
      request("selector", [](Request& r) { r.cache.policy = "scalekv-first", r.cache.selector = "attention"; }),
      request("precision", [](Request& r) { r.cache.precision = "bf16"; }),
      request("precision", [](Request& r) { r.cache.precision = "int8"; }),
      request("calibration", [](Request& r) { r.cache.calibration = calibration("a", 0.0); }),
      request("calibration", [](Request& r) { r.cache.calibration = calibration("b", 5.0); }),
      request("budgets", [](Request& r) { r.cache.budgets = budgets("a", 0.04); }),
      request("budgets", [](Request& r) { r.cache.budgets = budgets("b", 0.02); }),
      {.member = "images", .change = [](Request& r) { r.images = 2; }, .image = 1},
      {.member = "threads", .open = OpenOptions{.threads = 1}},
      {.member = "weights", .open = OpenOptions{.weights = "bf16"}},
      {.member = "weights", .open = OpenOptions{.weights = "int8"}},
      {.member = "keep_text_encoder", .open = OpenOptions{.keep_text_encoder = true}},
      {.member = "memory_limit", .open = OpenOptions{.memory_limit = std::int64_t{1} << 33}},
  };
  for (const cache::PolicyFacts& facts : cache::known_policies()) {
    list.push_back(request("policy", [name = facts.name](Request& r) { r.cache.policy = name; }));
  }
  const auto other = model_without("same.safetensors", "gpt.block_chunks.0.module.1.ffn.fc1.weight");
  list.push_back({.member = "transformer", .open = OpenOptions{.transformer = other}, .model = kModel});
  list.push_back({.member = "vae",
                  .open = OpenOptions{.vae = model_without("vae.safetensors", "vae.decoder.conv_out.conv.weight")},
                  .model = kModel});
  list.push_back({.member = "model", .model = other});
  list.push_back({.member = "model", .model = kModel});
  return list;
}

TEST(Description, TellsPicturesApartThatDiffer) {
  struct Drawn {
    std::string what;
    Image image;
    Settings settings;
  };
  std::vector<Drawn> drawn;
  Names varied;
  Pipeline usual = Pipeline::open();
  for (const Variation& variation : variations()) {
    varied.insert(variation.member);
    Request request{.prompt = "a red circle", .seed = 3, .size = "0.06M"};
    variation.change(request);
    std::optional<Pipeline> other;
    if (variation.open || !variation.model.empty()) {
      other = Pipeline::open(variation.model, variation.open.value_or(OpenOptions()));
    }
    Pipeline& pipeline = other ? *other : usual;
    const auto image = static_cast<std::size_t>(variation.image);
    drawn.push_back({variation.member + " " + request.cache.policy, pipeline.run(request).images.at(image),
                     pipeline.describe(request, variation.image)});
  }
  Names all = members(Request{});
  all.merge(members(CacheSettings{}));
  all.merge(members(OpenOptions{}));
  for (const std::string& member : all) EXPECT_TRUE(varied.contains(member)) << member << " is never varied";

  int different = 0;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (drawn[i].image == drawn[j].image) continue;
      EXPECT_NE(differences(drawn[i].settings, drawn[j].settings), "") << drawn[i].what << " | " << drawn[j].what;
      ++different;
    }
  }
  EXPECT_GT(different, 900) << "the variations hardly change anything";
  for (const Drawn& picture : drawn) EXPECT_NE(picture.settings.at("policy"), "auto");
}

TEST(Description, NamesTheFilesOfAModel) {
  OpenOptions two_layers, three_layers;
  two_layers.random_architecture = "infinity-2b:2";
  three_layers.random_architecture = "infinity-2b:3";
  EXPECT_NE(model_fingerprint({}, two_layers), model_fingerprint({}, three_layers));
  EXPECT_NE(model_fingerprint({}, two_layers), model_fingerprint({}, {}));
  OpenOptions texts;
  texts.text_encoder = file_with("t5/a.bin", "one").parent_path();
  const std::string before = model_fingerprint(kModel, texts);
  file_with("t5/a.bin", "two");
  EXPECT_NE(model_fingerprint(kModel, texts), before);
  EXPECT_EQ(model_fingerprint(kModel, {}), model_fingerprint({}, {})) << "it is the embedded one";
  OpenOptions averages;
  averages.ema = true;
  EXPECT_NE(model_fingerprint(kModel, averages), model_fingerprint(kModel, {}));
}

}  // namespace
}  // namespace scalekv::engine
