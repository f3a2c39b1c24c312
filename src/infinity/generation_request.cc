#include "infinity/generation_request.h"

#include <algorithm>

#include "base/error.h"

namespace scalekv::infinity {

bool GenerationRequest::guided() const {
  return std::any_of(cfg.begin(), cfg.end(), [](float strength) { return strength != 1.0F; });
}

void check_guidance_layer(int layer, std::int64_t depth) {
  if (layer >= 0 && layer < depth) return;
  fail_usage("guidance {} layers before the end of {}; choose 0 (on the logits) to {}", layer, depth, depth - 1);
}

void check_generation(const model::InfinityConfig& config, const GenerationRequest& request) {
  const std::size_t scales = request.schedule.scales.size();
  if (request.cfg.size() != scales || request.tau.size() != scales) {
    fail_usage("{} guidance and {} temperature values for {} scales; give one value, or one for each scale",
               request.cfg.size(), request.tau.size(), scales);
  }
  if (static_cast<std::int64_t>(scales) > config.max_scales) {
    fail("a schedule of {} scales, but the model knows {}", scales, config.max_scales);
  }
  check_guidance_layer(request.guidance_layer, config.depth);
}

cache::CacheGeometry cache_geometry(const model::InfinityConfig& config, const Schedule& schedule) {
  return {.layers = static_cast<int>(config.depth),
          .heads = static_cast<int>(config.heads),
          .head_size = config.head_size(),
          .scales = schedule.scales};
}

}  // namespace scalekv::infinity
