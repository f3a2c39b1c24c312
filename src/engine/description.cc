#include "engine/description.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/prompt.h"
#include "engine/settings.h"
#include "kernels/machine.h"

namespace scalekv::engine {
namespace {

// A percentage where that says it exactly, else the share itself; --budget reads both.
std::string budget_text(double share) {
  const std::string percent = fmt::format("{:g}%", share * 100.0);
  return cache::parse_share(percent) == share ? percent : fmt::format("{}", share);
}

}  // namespace

Settings describe_request(const Model& model, const Request& request) {
  const infinity::GenerationRequest resolved = resolve_request(model, request);
  const CacheSettings& cache = request.cache;
  const auto list = [](const std::vector<float>& values) {
    const bool same = std::all_of(values.begin(), values.end(), [&](float v) { return v == values.front(); });
    return same ? fmt::format("{}", values.front()) : fmt::format("{}", fmt::join(values, ","));
  };
  Settings text = {
      {"Software", "scalekv"},
      {"model", model.name},
      {"prompt", request.prompt},
      {"seed", fmt::format("{}", request.seed)},
      {"size", resolved.schedule.size},
      {"aspect", fmt::format("{}", resolved.schedule.aspect)},
      {"cfg", list(resolved.cfg)},
      {"tau", list(resolved.tau)},
      {"top_p", fmt::format("{}", request.top_p)},
      {"weights", std::string(weight_type_name(model.weights))},
      {"policy", resolved.policy.name},
  };
  text.insert(resolved.policy.facts.begin(), resolved.policy.facts.end());
  if (cache.precision != "f32") text["kv"] = cache.precision;
  if (resolved.policy.by_share && !cache::keeps_all(resolved.policy.name)) text["budget"] = budget_text(cache.budget);
  if (!request.negative_prompt.empty()) text["negative_prompt"] = request.negative_prompt;
  if (request.guidance_layer != 0) text["guidance_layer"] = fmt::format("{}", request.guidance_layer);
  if (request.top_k != 0) text["top_k"] = fmt::format("{}", request.top_k);
  if (request.face_prompt) {
    text["face_prompt"] = "yes";
    text["encoded_prompt"] = with_face_prompt(request.prompt);
  }
  return text;
}

Settings describe_origin(const std::string& model_sha256) {
  return {{"Software", "scalekv"},
          {"scalekv", SCALEKV_VERSION},
          {"kernels", kernels::machine_description()},  // the last bits of a sum depend on it
          {"model_sha256", model_sha256}};
}

Settings describe_picture(const Model& model, const Request& request, int image, const std::string& model_sha256) {
  Settings text = describe_request(model, request);
  text.merge(describe_origin(model_sha256));
  text["image"] = fmt::format("{}", image);
  return text;
}

}  // namespace scalekv::engine
