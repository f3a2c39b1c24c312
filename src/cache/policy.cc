#include "cache/policy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace scalekv::cache {

using MakePolicy = Policy(const PolicyRequest& request, const CacheGeometry& geometry);

// Each in its own file; docs/ALGORITHM.md has their sources. The rivals of ScaleKV are carried over from language
// models and other VAR work to scales, at equal bytes: each takes the same mean tokens a layer and head for the same
// share.
MakePolicy make_auto, make_scalekv, make_scalekv_first, make_sliding_window, make_streaming_llm, make_ams_kv,
    make_snapkv, make_pyramidkv, make_h2o, make_hack, make_heatkv, make_adaptive;

namespace {

Policy make_full(const PolicyRequest& request, const CacheGeometry&) { return {request.name, Budget(), nullptr}; }

enum class Calibrated : std::uint8_t { never, where_there_is_one, always };

struct Entry {
  std::string_view name;
  std::string_view summary;
  MakePolicy* make;
  Calibrated calibrated = Calibrated::never;
  bool selectors = false;  // "reference" and "attention"
  Allocation allocation = Allocation::none;
  bool keeps_all = false;
  bool chooses = false;  // it comes to one of the others
};

constexpr std::array kPolicies = {
    Entry{.name = "auto",
          .summary = "the best known of these for the model and the picture",
          .make = make_auto,
          .calibrated = Calibrated::where_there_is_one,
          .selectors = true,
          .chooses = true},
    Entry{.name = kFullPolicy, .summary = "keeps everything; the yardstick", .make = make_full, .keeps_all = true},
    Entry{.name = "scalekv",
          .summary = "few drafter layers keep their history, refiner layers almost none, scale by scale",
          .make = make_scalekv,
          .calibrated = Calibrated::where_there_is_one,
          .selectors = true,
          .allocation = Allocation::capacities},
    Entry{.name = "scalekv-first",
          .summary = "scalekv with the first token map always kept",
          .make = make_scalekv_first,
          .calibrated = Calibrated::where_there_is_one,
          .selectors = true},
    Entry{.name = "sliding-window", .summary = "the most recent tokens", .make = make_sliding_window},
    Entry{.name = "streaming-llm", .summary = "the first tokens and the most recent", .make = make_streaming_llm},
    Entry{.name = "ams-kv", .summary = "the first two scales and the most recent ones", .make = make_ams_kv},
    Entry{.name = "snapkv", .summary = "what the last queries of the map attend to", .make = make_snapkv},
    Entry{.name = "pyramidkv", .summary = "snapkv with a budget that falls over the layers", .make = make_pyramidkv},
    Entry{.name = "h2o", .summary = "what has received most attention so far, and the most recent", .make = make_h2o},
    Entry{.name = "hack",
          .summary = "contextual and structural heads, each with its own rule",
          .make = make_hack,
          .calibrated = Calibrated::always},
    Entry{.name = "heatkv",
          .summary = "whole scales per head, the coldest dropped",
          .make = make_heatkv,
          .calibrated = Calibrated::always,
          .allocation = Allocation::tokens},
    Entry{.name = "adaptive",
          .summary = "tokens planned by the harm of their loss, the rest folded into one",
          .make = make_adaptive,
          .calibrated = Calibrated::always,
          .allocation = Allocation::tokens},
};

// Null where there is none of that name.
const Entry* look_up(const std::string& name) {
  const auto* entry = std::find_if(kPolicies.begin(), kPolicies.end(), [&](const Entry& e) { return e.name == name; });
  return entry == kPolicies.end() ? nullptr : entry;
}

const Entry& find_policy(const std::string& name) {
  if (const Entry* entry = look_up(name)) return *entry;
  std::vector<std::string_view> names;
  for (const Entry& known : kPolicies) names.push_back(known.name);
  fail_usage("there is no cache policy '{}'; choose one of: {}", name, fmt::join(names, ", "));
}

}  // namespace

std::vector<PolicyFacts> known_policies() {
  std::vector<PolicyFacts> facts;
  for (const Entry& entry : kPolicies)
    facts.push_back({std::string(entry.name), std::string(entry.summary), entry.chooses});
  return facts;
}

bool keeps_all(const std::string& name) {
  const Entry* entry = look_up(name);
  return entry != nullptr && entry->keeps_all;
}

Allocation allocation(const std::string& name) {
  const Entry* entry = look_up(name);
  return entry == nullptr ? Allocation::none : entry->allocation;
}

std::vector<std::string> allocated_policies() {
  std::vector<std::string> names;
  for (const Entry& entry : kPolicies) {
    if (entry.allocation != Allocation::none) names.emplace_back(entry.name);
  }
  return names;
}

std::string in_words(std::span<const std::string> names, const std::string& last) {
  if (names.size() < 2) return fmt::format("{}", fmt::join(names, ""));
  return fmt::format("{} {} {}", fmt::join(names.first(names.size() - 1), ", "), last, names.back());
}

bool needs_calibration(const std::string& name) { return find_policy(name).calibrated == Calibrated::always; }

bool takes_calibration(const std::string& name) { return find_policy(name).calibrated != Calibrated::never; }

bool reads_calibration(const std::string& name, const CacheGeometry& geometry, bool named) {
  if (!takes_calibration(name)) return false;
  return needs_calibration(name) || named || !has_published_budgets(geometry);
}

bool takes_selector(const std::string& name) { return find_policy(name).selectors; }

double kept_share(const std::string& name, double budget) { return keeps_all(name) ? 1.0 : budget; }

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
  Policy policy = entry.make(request, geometry);
  policy.calibrated = policy.calibrated || entry.calibrated == Calibrated::always;
  return policy;
}

}  // namespace scalekv::cache
