#include "engine/description.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/fingerprint.h"
#include "engine/text_room.h"

namespace scalekv::engine {
namespace {

// A percentage where that says it exactly, else the share itself; --budget reads both.
std::string budget_text(double share) {
  const std::string percent = fmt::format("{:g}%", share * 100.0);
  return cache::parse_share(percent) == share ? percent : fmt::format("{}", share);
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
          {"scalekv", SCALEKV_VERSION},
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

}  // namespace scalekv::engine
