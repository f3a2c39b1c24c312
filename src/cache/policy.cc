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
// NOLINTBEGIN(readability-redundant-declaration): where files are compiled together, some are defined above
MakePolicy make_auto, make_scalekv, make_scalekv_first, make_sliding_window, make_streaming_llm, make_ams_kv,
    make_snapkv, make_pyramidkv, make_h2o, make_hack, make_heatkv, make_adaptive;
// NOLINTEND(readability-redundant-declaration)

namespace {

Policy make_full(const PolicyRequest& request, const CacheGeometry&) { return {request.name, Budget(), nullptr}; }

// What is asked of a policy beside its name.
enum Trait : unsigned {
  kKeepsAll = 1,
  kChooses = 2,            // it chooses one of the others
  kSelectors = 4,          // kWindowSelectors
  kUsesCalibration = 8,    // where there is one
  kNeedsCalibration = 16,  // always
  kCapacities = 32,        // an allocation of capacities can be written
  kTokens = 64,            // an allocation of tokens
};

struct Entry {
  std::string_view name;
  std::string_view summary;
  MakePolicy* make;
  unsigned traits = 0;

  bool is(unsigned any) const { return (traits & any) != 0; }
};

constexpr std::array kPolicies = {
    Entry{"auto", "the best known of these for the model and the picture", make_auto,
          kChooses | kSelectors | kUsesCalibration},
    Entry{kFullPolicy, "keeps everything; the yardstick", make_full, kKeepsAll},
    Entry{"scalekv", "few drafter layers keep their history, refiner layers almost none, scale by scale", make_scalekv,
          kSelectors | kUsesCalibration | kCapacities},
    Entry{"scalekv-first", "scalekv with the first token map always kept", make_scalekv_first,
          kSelectors | kUsesCalibration},
    Entry{"sliding-window", "the most recent tokens", make_sliding_window},
    Entry{"streaming-llm", "the first tokens and the most recent", make_streaming_llm},
    Entry{"ams-kv", "the first two scales and the most recent ones", make_ams_kv},
    Entry{"snapkv", "what the last queries of the map attend to", make_snapkv},
    Entry{"pyramidkv", "snapkv with a budget that falls over the layers", make_pyramidkv},
    Entry{"h2o", "what has received most attention so far, and the most recent", make_h2o},
    Entry{"hack", "contextual and structural heads, each with its own rule", make_hack, kNeedsCalibration},
    Entry{"heatkv", "whole scales per head, the coldest dropped", make_heatkv, kNeedsCalibration | kTokens},
    Entry{"adaptive", "tokens planned by the harm of their loss, the rest folded into one", make_adaptive,
          kNeedsCalibration | kTokens},
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
    facts.push_back({std::string(entry.name), std::string(entry.summary), entry.is(kChooses)});
  return facts;
}

bool keeps_all(const std::string& name) {
  const Entry* entry = look_up(name);
  return entry != nullptr && entry->is(kKeepsAll);
}

Allocation allocation(const std::string& name) {
  const Entry* entry = look_up(name);
  if (entry == nullptr || !entry->is(kCapacities | kTokens)) return Allocation::none;
  return entry->is(kTokens) ? Allocation::tokens : Allocation::capacities;
}

std::vector<std::string> allocated_policies() {
  std::vector<std::string> names;
  for (const Entry& entry : kPolicies) {
    if (entry.is(kCapacities | kTokens)) names.emplace_back(entry.name);
  }
  return names;
}

std::string in_words(std::span<const std::string> names, const std::string& last) {
  if (names.size() < 2) return fmt::format("{}", fmt::join(names, ""));
  return fmt::format("{} {} {}", fmt::join(names.first(names.size() - 1), ", "), last, names.back());
}

bool needs_calibration(const std::string& name) { return find_policy(name).is(kNeedsCalibration); }

bool takes_calibration(const std::string& name) { return find_policy(name).is(kUsesCalibration | kNeedsCalibration); }

bool reads_calibration(const std::string& name, const CacheGeometry& geometry, bool named) {
  if (!takes_calibration(name)) return false;
  return needs_calibration(name) || named || !has_published_budgets(geometry);
}

bool takes_selector(const std::string& name) { return find_policy(name).is(kSelectors); }

double kept_share(const std::string& name, double budget) { return keeps_all(name) ? 1.0 : budget; }

void check_policy_request(const PolicyRequest& request) {
  find_policy(request.name);
  selector_name(request.selector);
  if (!(request.share > 0.0) || request.share > 1.0) {
    fail_usage("a cache budget of {}% is not possible; ask for more than 0% and at most 100%", request.share * 100.0);
  }
}

Policy make_policy(const PolicyRequest& request, const CacheGeometry& geometry) {
  check_policy_request(request);
  const Entry& entry = find_policy(request.name);
  if (entry.is(kNeedsCalibration) && !request.calibration) {
    fail(
        "the cache policy {} needs a calibration of the model; make one with `calibrate` and name it with "
        "`calibration`",
        request.name);
  }
  if (entry.is(kNeedsCalibration)) request.calibration->check_fits(geometry);
  if (entry.is(kUsesCalibration) && request.calibration) {
    request.calibration->check_model(geometry);
  }
  Policy policy = entry.make(request, geometry);
  policy.calibrated = policy.calibrated || entry.is(kNeedsCalibration);
  return policy;
}

}  // namespace scalekv::cache
