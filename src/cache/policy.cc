#include "cache/policy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "cache/auto_policy.h"
#include "cache/calibrated.h"
#include "cache/rivals.h"

namespace scalekv::cache {
namespace {

Policy make_full(const PolicyRequest&, const CacheGeometry&) { return {"full", Budget(), nullptr}; }

enum class Calibrated : std::uint8_t { never, where_there_is_one, always };

struct Entry {
  std::string_view name;
  std::string_view summary;
  Policy (*make)(const PolicyRequest&, const CacheGeometry&);
  Calibrated calibrated = Calibrated::never;
  bool selectors = false;  // "reference" and "attention"
};

constexpr std::array kPolicies = {
    Entry{"auto", "the best known of these for the model and the picture", make_auto, Calibrated::where_there_is_one,
          true},
    Entry{"full", "keeps everything; the yardstick", make_full},
    Entry{"scalekv", "few drafter layers keep their history, refiner layers almost none, scale by scale", make_scalekv,
          Calibrated::where_there_is_one, true},
    Entry{"scalekv-first", "scalekv with the first token map always kept", make_scalekv_first,
          Calibrated::where_there_is_one, true},
    Entry{"sliding-window", "the most recent tokens", make_sliding_window},
    Entry{"streaming-llm", "the first tokens and the most recent", make_streaming_llm},
    Entry{"ams-kv", "the first two scales and the most recent ones", make_ams_kv},
    Entry{"snapkv", "what the last queries of the map attend to", make_snapkv},
    Entry{"pyramidkv", "snapkv with a budget that falls over the layers", make_pyramidkv},
    Entry{"h2o", "what has received most attention so far, and the most recent", make_h2o},
    Entry{"hack", "contextual and structural heads, each with its own rule", make_hack, Calibrated::always},
    Entry{"heatkv", "whole scales per head, the coldest dropped", make_heatkv, Calibrated::always},
    Entry{"adaptive", "tokens planned by the harm of their loss, the rest folded into one", make_adaptive,
          Calibrated::always},
};

const Entry& find_policy(const std::string& name) {
  const auto* entry = std::find_if(kPolicies.begin(), kPolicies.end(), [&](const Entry& e) { return e.name == name; });
  if (entry != kPolicies.end()) return *entry;
  std::vector<std::string_view> names;
  for (const Entry& known : kPolicies) names.push_back(known.name);
  fail_usage("there is no cache policy '{}'; choose one of: {}", name, fmt::join(names, ", "));
}

}  // namespace

std::vector<PolicyFacts> known_policies() {
  std::vector<PolicyFacts> facts;
  for (const Entry& entry : kPolicies) facts.push_back({std::string(entry.name), std::string(entry.summary)});
  return facts;
}

bool needs_calibration(const std::string& name) { return find_policy(name).calibrated == Calibrated::always; }

bool takes_calibration(const std::string& name) { return find_policy(name).calibrated != Calibrated::never; }

bool reads_calibration(const std::string& name, const CacheGeometry& geometry, bool named) {
  if (!takes_calibration(name)) return false;
  return needs_calibration(name) || named || !has_published_budgets(geometry);
}

bool takes_selector(const std::string& name) { return find_policy(name).selectors; }

double kept_share(const std::string& name, double budget) { return name == "full" ? 1.0 : budget; }

void check_policy_request(const PolicyRequest& request) {
  find_policy(request.name);
  if (!request.selector.empty() && request.selector != "reference" && request.selector != "attention") {
    fail_usage("there is no selector '{}'; choose reference or attention", request.selector);
  }
  if (!(request.share > 0.0) || request.share > 1.0) {
    fail_usage("a cache budget of {}% is not possible; ask for more than 0% and at most 100%", request.share * 100.0);
  }
}

Policy make_policy(const PolicyRequest& request, const CacheGeometry& geometry) {
  check_policy_request(request);
  const Entry& entry = find_policy(request.name);
  if (entry.calibrated == Calibrated::always && !request.calibration) {
    fail(
        "the cache policy {} needs a calibration of the model; make one with `scalekv calibrate` and name it with "
        "--calibration",
        request.name);
  }
  if (entry.calibrated == Calibrated::always) request.calibration->check_fits(geometry);
  if (entry.calibrated == Calibrated::where_there_is_one && request.calibration) {
    request.calibration->check_model(geometry);
  }
  return entry.make(request, geometry);
}

}  // namespace scalekv::cache
