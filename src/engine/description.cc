#include "engine/description.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "engine/model.h"
#include "engine/text_room.h"
#include "scalekv/version.h"

namespace scalekv::engine {
namespace {

// A percentage where that says it exactly, else the share itself; --budget reads both.
std::string budget_text(double share) {
  const std::string percent = fmt::format("{:g}%", share * 100.0);
  return cache::parse_share(percent) == share ? percent : fmt::format("{}", share);
}

// 4 MiB are hashed in a few hundredths of a second; spread over many small blocks they touch every large tensor.
constexpr std::size_t kBlocks = 4096;
constexpr std::size_t kBlockBytes = std::size_t{1} << 10;

void add_bytes(Sha256& hash, std::span<const std::byte> bytes) {
  const std::uint64_t size = bytes.size();
  hash.update(std::as_bytes(std::span(&size, 1)));
  if (bytes.size() <= kBlocks * kBlockBytes) {
    hash.update(bytes);
    return;
  }
  for (std::size_t i = 0; i < kBlocks; ++i) {
    hash.update(bytes.subspan((bytes.size() - kBlockBytes) / (kBlocks - 1) * i, kBlockBytes));
  }
}

void add_path(Sha256& hash, const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) {
    add_bytes(hash, MappedFile::open(path)->bytes());
    return;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(path)) {
    const bool hidden = file.path().filename().string().starts_with('.');
    if (!hidden && file.is_regular_file() && file.file_size() > 0) files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) add_path(hash, file);
}

}  // namespace

Settings describe_request(const Model& model, const ResolvedRequest& resolved) {
  const Request& request = resolved.request;
  const infinity::GenerationRequest& generation = resolved.generation;
  const CacheSettings& cache = request.cache;
  const auto list = [](const std::vector<float>& values) {
    const bool same = std::all_of(values.begin(), values.end(), [&](float v) { return v == values.front(); });
    return same ? fmt::format("{}", values.front()) : fmt::format("{}", fmt::join(values, ","));
  };
  Settings text = {
      {"Software", "scalekv"},
      {"model", model.sizes.name},
      {"prompt", request.prompt},
      {"seed", fmt::format("{}", request.seed)},
      {"size", generation.schedule.size},
      {"aspect", fmt::format("{}", generation.schedule.aspect)},
      {"cfg", list(generation.cfg)},
      {"tau", list(generation.tau)},
      {"top_p", fmt::format("{}", request.top_p)},
      {"weights", std::string(weight_type_name(model.sizes.weights))},
      {"policy", generation.policy.name},
  };
  text.insert(generation.policy.facts.begin(), generation.policy.facts.end());
  if (cache.precision != "f32") text["kv"] = cache.precision;
  if (generation.policy.by_share && !cache::keeps_all(generation.policy.name))
    text["budget"] = budget_text(cache.budget);
  if (!request.negative_prompt.empty()) text["negative_prompt"] = request.negative_prompt;
  if (request.guidance_layer != 0) text["guidance_layer"] = fmt::format("{}", request.guidance_layer);
  if (request.top_k != 0) text["top_k"] = fmt::format("{}", request.top_k);
  if (request.face_prompt) {
    text["face_prompt"] = "yes";
    text["encoded_prompt"] = encoded_prompt(request);
  }
  return text;
}

Settings describe_origin(Model& model) {
  if (model.fingerprint.empty()) model.fingerprint = model_fingerprint(model.file, model.options);
  return {{"Software", "scalekv"},
          {"scalekv", version()},
          {"kernels", model.backend->facts().device},  // the last bits of a sum depend on it
          {"model_sha256", model.fingerprint}};
}

Settings describe_run(Settings described, Model& model) {
  described.merge(describe_origin(model));
  for (const char* of_one_picture : {"prompt", "image", "kernels"}) described.erase(of_one_picture);
  return described;
}

Settings describe_picture(Model& model, const ResolvedRequest& request, int image) {
  Settings text = describe_request(model, request);
  text.merge(describe_origin(model));
  text["image"] = fmt::format("{}", image);
  return text;
}

std::string model_fingerprint(const std::filesystem::path& model, const OpenOptions& options) {
  Sha256 hash;
  bool named = false;
  for (const auto* path : {&model, &options.transformer, &options.vae, &options.text_encoder}) {
    if (path->empty()) continue;
    named = true;
    add_path(hash, *path);
  }
  if (!options.random_architecture.empty()) {
    add_bytes(hash, std::as_bytes(std::span(options.random_architecture)));  // the weights follow from it
  } else if (!named) {
    add_bytes(hash, embedded_model_bytes());
  }
  if (options.ema) add_bytes(hash, std::as_bytes(std::span(std::string_view("ema"))));
  return hash.finish();
}

std::string calibration_fingerprint(const std::filesystem::path& model, const OpenOptions& options,
                                    const std::filesystem::path& calibration) {
  Sha256 hash;
  const std::filesystem::path path = calibration.empty() ? calibration_beside(model, options.transformer) : calibration;
  if (path.empty()) {
    if (!options.random_architecture.empty()) return {};
    const std::string embedded = embedded_calibration();
    add_bytes(hash, std::as_bytes(std::span(embedded)));
  } else {
    if (!std::filesystem::exists(path) && calibration.empty()) return {};
    add_path(hash, path);
  }
  return hash.finish();
}

}  // namespace scalekv::engine
