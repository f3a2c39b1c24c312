#include "cache/policy.h"

namespace scalekv::cache {

PolicyChoice choose_policy(const PolicyRequest& request, const CacheGeometry& geometry) {
  if (!request.selector.empty()) return {"scalekv", "it has the selector that was asked for"};
  const Calibration* calibration = request.calibration.get();
  // Where there are published budgets, a calibration is here only because somebody named it (reads_calibration).
  if (calibration == nullptr && has_published_budgets(geometry)) {
    return {"scalekv", "budgets are published for a model and a picture of these sizes"};
  }
  if (calibration == nullptr) return {"scalekv-first", "there is no calibration of the model"};
  const std::string why_not = calibration->scales_missing(geometry);
  if (!why_not.empty()) return {"scalekv-first", why_not};
  return {"adaptive", "a calibration fits the model and the picture"};
}

Policy make_auto(const PolicyRequest& request, const CacheGeometry& geometry) {
  PolicyChoice choice = choose_policy(request, geometry);
  PolicyRequest chosen = request;
  chosen.name = choice.policy;
  Policy policy = make_policy(chosen, geometry);
  policy.facts["policy_reason"] = "auto: " + choice.why;
  return policy;
}

}  // namespace scalekv::cache
