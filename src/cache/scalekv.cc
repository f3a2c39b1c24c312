// ScaleKV (arXiv 2505.19602): few drafter layers keep their history, refiner layers almost none, scale by scale
// (cache/budget.h has the allocator, window_selector.cc the choice of tokens).
#include "cache/policy.h"
#include "cache/selector.h"

namespace scalekv::cache {
namespace {

using Drafters = std::map<int, std::vector<int>>;

// The drafter layers; `policy` says where they come from.
Drafters choose_drafters(const PolicyRequest& request, const CacheGeometry& geometry, Policy& policy) {
  Settings& facts = policy.facts;
  if (request.calibration) {
    const std::string why_not = request.calibration->scales_missing(geometry);
    if (why_not.empty()) {
      facts["drafters"] = "calibration";
      policy.calibrated = true;
      return find_drafters(request.calibration->statistics, drafter_count(geometry.layers));
    }
    facts["drafters_reason"] = why_not;
  }
  facts["drafters"] = has_published_budgets(geometry) ? "published" : "default";
  return default_drafters(geometry.layers);
}

}  // namespace

Policy make_scalekv(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  Policy policy{request.name, Budget(), make_window_selector(request.selector)};
  policy.facts["selector"] = selector_name(request.selector);
  const auto rows = allocate_scale_budget(geometry, mean, choose_drafters(request, geometry, policy));
  policy.budget = make_scale_budget(geometry.layers, geometry.heads, mean, rows);
  return policy;
}

Policy make_scalekv_first(const PolicyRequest& request, const CacheGeometry& geometry) {
  Policy policy = make_scalekv(request, geometry);
  policy.selector = keep_first(geometry.map_tokens(0), std::move(policy.selector));
  policy.facts["keep_first"] = "1 map";
  return policy;
}

}  // namespace scalekv::cache
