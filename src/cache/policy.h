// Policies by name: a budget and a selector. A new method is one file and its row in policy.cc; nobody else asks for
// names, but for what a policy is like.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/settings.h"
#include "cache/budget.h"
#include "cache/calibration.h"
#include "cache/selector.h"

namespace scalekv::cache {

// What a user asks for.
struct PolicyRequest {
  std::string name = "auto";
  double share = 0.10;        // of the full history, per layer on average
  std::string selector = {};  // scalekv: "reference" (also where this is empty) or "attention"
  // Measured of the model: what some policies need, what scalekv then takes its drafters from, and what decides `auto`.
  std::shared_ptr<const Calibration> calibration = nullptr;
};

// kept[row][layer * heads + head][position in the pyramid]: is the token still there when scale `row` (from 1) starts?
// What is gone in a row is gone in all later ones; every head keeps at least one token, or folds.
using TokenPlan = std::map<int, std::vector<std::vector<bool>>>;

// A policy for one geometry. Immutable; shared by every image of a run.
struct Policy {
  std::string name;  // never "auto", but the policy that it chose
  Budget budget;
  std::shared_ptr<const Selector> selector;  // nullptr where the budget is unlimited
  // What it depends on beside its name and budget, as a picture's metadata say it (docs/FORMATS.md, section 5).
  Settings facts = {};
  bool by_share = true;     // false: a file fixed the budget, whatever share was asked for
  bool calibrated = false;  // the request's calibration was used
  // Where tokens are planned before anything is drawn: those of the plan, and whether the others are folded.
  std::shared_ptr<const TokenPlan> plan = nullptr;
  bool folds = false;
};

// What a budget file holds of a policy.
enum class Allocation : std::uint8_t {
  none,
  capacities,  // of layers and heads, as the ScaleKV repository's files
  tokens,      // a TokenPlan
};

struct PolicyFacts {
  std::string name;
  std::string summary;
  bool chooses = false;  // it chooses one of the others
};

// The policy that keeps everything; the others are compared with it.
inline constexpr const char* kFullPolicy = "full";

// Every policy there is, in the order to show them.
std::vector<PolicyFacts> known_policies();

// Does it keep everything, whatever share is asked for? Not where there is no policy of that name.
bool keeps_all(const std::string& name);
// Allocation::none where there is no policy of that name.
Allocation allocation(const std::string& name);
// Those whose allocation a file can hold, in order.
std::vector<std::string> allocated_policies();
// "scalekv, heatkv and adaptive", with `last` for "and".
std::string in_words(std::span<const std::string> names, const std::string& last);

// All of these throw UsageError where there is no policy of that name.
// Does it need a calibration of the model?
bool needs_calibration(const std::string& name);
// Can it make use of one?
bool takes_calibration(const std::string& name);
// Does it look at the calibration that comes with a model? One that can do without leaves it where budgets are
// published for these sizes, unless somebody named it (`named`).
bool reads_calibration(const std::string& name, const CacheGeometry& geometry, bool named);
// Has it a choice of selectors?
bool takes_selector(const std::string& name);

// The share of the cache that a policy keeps when it is asked for `budget`.
double kept_share(const std::string& name, double budget);

// Throws UsageError on a name, selector or share that does not exist, listing those that do.
void check_policy_request(const PolicyRequest& request);

// What `auto` comes to: the best known policy for a model and a picture.
struct PolicyChoice {
  std::string policy;
  std::string why;  // a clause, for reports and metadata
};
// request: its selector and its calibration count, its name and share do not.
PolicyChoice choose_policy(const PolicyRequest& request, const CacheGeometry& geometry);

// Throws as check_policy_request does, and Error where the calibration is of another model, or where a policy that
// needs one has none that covers the picture's scales.
Policy make_policy(const PolicyRequest& request, const CacheGeometry& geometry);

}  // namespace scalekv::cache
