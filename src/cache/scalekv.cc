// ScaleKV: few drafter layers keep their history, refiner layers almost none, scale by scale (cache/budget.h has the
// allocator, window_selector.cc the choice of tokens).
#include "cache/calibrated.h"

namespace scalekv::cache {

Policy make_scalekv(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  const auto drafters = request.calibration
                            ? find_drafters(request.calibration->statistics, drafter_count(geometry.layers))
                            : default_drafters(geometry.layers);
  const auto rows = allocate_scale_budget(geometry, mean, drafters);
  return {request.name, make_scale_budget(geometry.layers, geometry.heads, mean, rows),
          request.selector == "attention" ? make_attention_selector() : make_reference_selector()};
}

}  // namespace scalekv::cache
