#include "engine/resolved_request.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "engine/cache_choice.h"

namespace scalekv::engine {
namespace {

constexpr int kMostImages = 100000;

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

void check_numbers(const Request& request) {
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
}

void check_guidance(const Request& request, bool guided, std::int64_t depth) {
  if (!guided && !request.negative_prompt.empty()) {
    fail_usage(
        "a guidance (cfg) of 1 is none, so the negative prompt would not be looked at; ask for another guidance");
  }
  if (!guided && request.guidance_layer != 0) {
    fail_usage("a guidance (cfg) of 1 is none, so no layer can be guided; ask for another guidance, or for layer 0");
  }
  infinity::check_guidance_layer(request.guidance_layer, depth);
}

void keep_first_scales(infinity::GenerationRequest& generation, int count) {
  const auto kept = static_cast<std::size_t>(count);
  if (kept == 0 || kept >= generation.schedule.scales.size()) return;
  generation.schedule.scales.resize(kept);
  generation.cfg.resize(kept);
  generation.tau.resize(kept);
}

}  // namespace

int ResolvedRequest::together() const { return std::min(request.batch, request.images); }

ResolvedRequest ResolvedRequest::of(std::string prompt, std::uint64_t seed) const {
  ResolvedRequest other = *this;
  other.request.prompt = std::move(prompt);
  other.request.seed = seed;
  check_numbers(other.request);
  return other;
}

ResolvedRequest resolve_request(const model::ModelSizes& sizes,
                                const std::shared_ptr<const ModelCalibration>& calibration, const Request& request,
                                int scales) {
  check_numbers(request);
  ResolvedRequest resolved{.request = request, .generation = {}, .scales = scales};
  infinity::GenerationRequest& generation = resolved.generation;
  generation.schedule =
      infinity::make_schedule(request.aspect, request.size.empty() ? sizes.defaults.size : request.size);
  const std::size_t count = generation.schedule.scales.size();
  generation.cfg = per_scale(request.cfg, sizes.defaults.cfg, count, "guidance (cfg)", 0.0F);
  generation.tau = per_scale(request.tau, sizes.defaults.tau, count, "temperature (tau)", 1e-3F);
  check_guidance(request, generation.guided(), sizes.transformer.depth);
  generation.guidance_layer = request.guidance_layer;
  generation.sampling = {.top_k = request.top_k, .top_p = request.top_p};
  generation.kv = kernels::parse_kv_precision(request.cache.precision);
  generation.policy =
      choose_cache(request.cache, {.model = sizes.name,
                                   .calibration = calibration,
                                   .geometry = infinity::cache_geometry(sizes.transformer, generation.schedule),
                                   .size = generation.schedule.size});
  keep_first_scales(generation, scales);
  return resolved;
}

ResolvedRequest resolve_pictures(const Model& model, Request common, std::span<const Prompt> pictures) {
  if (pictures.empty()) fail_usage("there are no prompts; say what to draw");
  common.prompt = pictures.front().text;
  common.negative_prompt.clear();
  common.images = static_cast<int>(std::min<std::size_t>(pictures.size(), kMostImages + 1));
  ResolvedRequest resolved = resolve_request(model, common);
  for (const Prompt& picture : pictures) {
    Request one = common;
    one.prompt = picture.text;
    one.negative_prompt = picture.negative;
    check_numbers(one);
    check_guidance(one, resolved.generation.guided(), model.sizes.transformer.depth);
    if (picture.image < 0) fail_usage("a picture of number {} is not possible; count from 0", picture.image);
  }
  return resolved;
}

}  // namespace scalekv::engine
