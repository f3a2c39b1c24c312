#include "engine/settings.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engine/cache_choice.h"

namespace scalekv::engine {
namespace {

constexpr int kMostImages = 100000;

// What a request is checked against.
struct KnownModel {
  const std::string& name;
  const model::ModelDefaults& defaults;
  const model::InfinityConfig& transformer;
  std::shared_ptr<const ModelCalibration> calibration;  // may be null
};

// One value for every scale, or one each.
std::vector<float> per_scale(const std::vector<float>& values, float fallback, std::size_t scales, const char* what,
                             float least) {
  if (values.size() > 1 && values.size() != scales) {
    fail_usage("{} values of {} for {} scales; give one value, or one for each scale", values.size(), what, scales);
  }
  for (const float value : values) {
    if (!std::isfinite(value) || value < least) fail_usage("a {} of {} is not possible", what, value);
  }
  if (values.size() == scales) return values;
  return std::vector<float>(scales, values.empty() ? fallback : values.front());
}

infinity::GenerationRequest resolve(const KnownModel& model, const Request& request) {
  if (request.prompt.empty()) fail_usage("the prompt is empty; say what to draw");
  if (request.batch < 1 || request.batch > kMostImages) {
    fail_usage("a batch of {} images is not possible; ask for 1 to {}", request.batch, kMostImages);
  }
  if (request.images < 1 || request.images > kMostImages) {
    fail_usage("{} images are not possible; ask for 1 to {}", request.images, kMostImages);
  }
  if (request.top_k < 0) fail_usage("top-k of {} is not possible; 0 keeps every value", request.top_k);
  if (!(request.top_p >= 0.0) || request.top_p > 1.0) {
    fail_usage("top-p of {} is not possible; choose 0 (off) to 1", request.top_p);
  }
  infinity::check_aspect(request.aspect);
  infinity::GenerationRequest resolved;
  resolved.schedule =
      infinity::make_schedule(request.aspect, request.size.empty() ? model.defaults.size : request.size);
  const std::size_t scales = resolved.schedule.scales.size();
  resolved.cfg = per_scale(request.cfg, model.defaults.cfg, scales, "guidance (cfg)", 0.0F);
  resolved.tau = per_scale(request.tau, model.defaults.tau, scales, "temperature (tau)", 1e-3F);
  const bool guided = std::any_of(resolved.cfg.begin(), resolved.cfg.end(), [](float cfg) { return cfg != 1.0F; });
  if (!guided && !request.negative_prompt.empty()) {
    fail_usage(
        "a guidance (cfg) of 1 is none, so the negative prompt would not be looked at; ask for another guidance");
  }
  if (!guided && request.guidance_layer != 0) {
    fail_usage("a guidance (cfg) of 1 is none, so no layer can be guided; ask for another guidance, or for layer 0");
  }
  infinity::check_guidance_layer(request.guidance_layer, model.transformer.depth);
  resolved.guidance_layer = request.guidance_layer;
  resolved.sampling = {.top_k = request.top_k, .top_p = request.top_p};
  resolved.kv = kernels::parse_kv_precision(request.cache.precision);
  resolved.policy =
      choose_cache(request.cache, {.model = model.name,
                                   .calibration = model.calibration,
                                   .geometry = infinity::cache_geometry(model.transformer, resolved.schedule),
                                   .size = resolved.schedule.size});
  return resolved;
}

}  // namespace

infinity::GenerationRequest resolve_request(const Model& model, const Request& request) {
  return resolve({model.name, model.defaults, model.transformer.config(), model.calibration}, request);
}

infinity::GenerationRequest resolve_request(const model::ModelSizes& sizes,
                                            const std::shared_ptr<const ModelCalibration>& calibration,
                                            const Request& request) {
  return resolve({sizes.name, sizes.defaults, sizes.transformer, calibration}, request);
}

void keep_first_scales(infinity::GenerationRequest& request, int count) {
  const auto kept = static_cast<std::size_t>(count);
  if (kept == 0 || kept >= request.schedule.scales.size()) return;
  request.schedule.scales.resize(kept);
  request.cfg.resize(kept);
  request.tau.resize(kept);
}

}  // namespace scalekv::engine
