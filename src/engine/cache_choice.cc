#include "engine/cache_choice.h"

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "cache/budget_file.h"

namespace scalekv::engine {
namespace {

// Enough of a SHA-256 to tell files apart, and short enough to read.
std::string short_sha256(const std::string& sha256) { return sha256.substr(0, 16); }

void refuse_selector(const CacheSettings& settings, const std::string& policy) {
  if (settings.selector.empty() || cache::takes_selector(policy)) return;
  fail_usage("the cache policy {} has no choice of selectors; leave out `selector` {}, or ask for `policy` scalekv",
             policy, settings.selector);
}

// The calibration that the policy is to be given, which may be none.
KnownCalibration find_known(const CacheSettings& settings, const CachedPicture& picture) {
  const bool named = !settings.calibration.empty();
  if (!cache::reads_calibration(settings.policy, picture.geometry, named)) return {};
  if (named) return read_named_calibration(settings.calibration, picture.model);
  const KnownCalibration* known = picture.calibration ? picture.calibration->read() : nullptr;
  return known == nullptr ? KnownCalibration() : *known;
}

// One that is needed, or was named, covers the picture.
void require_coverage(const CacheSettings& settings, const CachedPicture& picture, const KnownCalibration& known) {
  const bool named = !settings.calibration.empty();
  if (!cache::needs_calibration(settings.policy) && !named) return;
  const std::string how =
      fmt::format("make one with `calibrate` (`size` {}) and name it with `calibration`", picture.size);
  if (!known.content) fail("the cache policy {} needs a calibration of the model; {}", settings.policy, how);
  known.content->check_model(picture.geometry);
  const std::string missing = known.content->scales_missing(picture.geometry);
  if (missing.empty()) return;
  fail("{}{}, and the cache policy {} needs one of this size; {}", named ? settings.calibration.string() + ": " : "",
       missing, settings.policy, how);
}

cache::Policy read_budget_file(const CacheSettings& settings, const CachedPicture& picture) {
  const cache::CacheGeometry& geometry = picture.geometry;
  const std::string text = settings.budgets_text.empty() ? read_file(settings.budgets) : settings.budgets_text;
  const cache::BudgetFile file = cache::parse_budgets(text, settings.budgets.string(), geometry.layers, geometry.heads);
  check_model_name(file.model, picture.model, settings.budgets.string());
  refuse_selector(settings, file.policy);
  const cache::PolicyRequest request{file.policy, settings.budget, settings.selector, nullptr};
  if (!file.rankings.empty()) cache::check_policy_request(request);  // it is the request's share that acts
  cache::Policy policy = cache::make_policy(file, geometry, request);
  if (cache::takes_selector(file.policy)) policy.facts["selector"] = cache::selector_name(settings.selector);
  policy.facts["budgets"] = settings.budgets.filename().string();
  policy.facts["budgets_sha256"] = short_sha256(sha256_of(std::as_bytes(std::span(text))));
  return policy;
}

}  // namespace

void check_cache_settings(const CacheSettings& settings) {
  const bool named = !settings.calibration.empty(), from_file = !settings.budgets.empty();
  const double share = from_file ? 1.0 : settings.budget;  // most files of budgets say their own
  cache::check_policy_request({settings.policy, share, settings.selector, nullptr});
  if (from_file) {
    if (named) fail_usage("a file of budgets needs no calibration; give `budgets` or `calibration`, not both");
    return;  // the file says which policy it is of
  }
  refuse_selector(settings, settings.policy);
  if (named && !cache::takes_calibration(settings.policy)) {
    fail_usage("the cache policy {} reads no calibration; leave out `calibration` {}, or ask for `policy` adaptive",
               settings.policy, settings.calibration.string());
  }
}

CacheSettings with_policy(CacheSettings settings, const std::string& policy) {
  settings.policy = policy;
  if (!settings.budgets.empty()) settings.budget = CacheSettings().budget;  // the file's own, where it says one
  settings.budgets.clear();
  settings.budgets_text.clear();
  if (!cache::takes_selector(policy)) settings.selector.clear();
  if (!cache::takes_calibration(policy)) settings.calibration.clear();
  return settings;
}

cache::Policy choose_cache(const CacheSettings& settings, const CachedPicture& picture) {
  check_cache_settings(settings);
  if (!settings.budgets.empty()) return read_budget_file(settings, picture);
  const KnownCalibration known = find_known(settings, picture);
  require_coverage(settings, picture, known);
  cache::Policy policy =
      cache::make_policy({settings.policy, settings.budget, settings.selector, known.content}, picture.geometry);
  if (policy.calibrated) {
    policy.facts["calibration"] = known.name;
    policy.facts["calibration_sha256"] = short_sha256(known.sha256);
  }
  return policy;
}

}  // namespace scalekv::engine
