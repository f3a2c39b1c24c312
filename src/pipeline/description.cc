#include "pipeline/description.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "pipeline/settings.h"

namespace scalekv::pipeline {

Settings describe_request(const Model& model, const Request& request) {
  const infinity::GenerationRequest resolved = resolve_request(model, request);
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
      {"policy", request.cache.policy},
  };
  if (request.cache.precision != "f32") text["kv"] = request.cache.precision;
  if (!request.cache.budgets.empty()) {
    text["policy"] = resolved.policy.name;
    text["budgets"] = request.cache.budgets.filename().string();
    if (resolved.policy.by_share) text["budget"] = fmt::format("{:g}%", request.cache.budget * 100.0);
  } else if (request.cache.policy != "full") {
    text["budget"] = fmt::format("{:g}%", request.cache.budget * 100.0);
    if (request.cache.policy == "scalekv") text["selector"] = request.cache.selector;
    if (!request.cache.calibration.empty()) text["calibration"] = request.cache.calibration.filename().string();
  }
  if (!request.negative_prompt.empty()) text["negative_prompt"] = request.negative_prompt;
  if (request.guidance_layer != 0) text["guidance_layer"] = fmt::format("{}", request.guidance_layer);
  if (request.top_k != 0) text["top_k"] = fmt::format("{}", request.top_k);
  if (request.face_prompt) text["face_prompt"] = "yes";
  return text;
}

}  // namespace scalekv::pipeline
