// Policies by name: a budget and a selector. A new method is one small class in one file and one row in policy.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/budget.h"
#include "cache/calibration.h"
#include "cache/selector.h"

namespace scalekv::cache {

// What a user asks for. Defaults: the published setting.
struct PolicyRequest {
  std::string name = "scalekv";
  double share = 0.10;                 // of the full history, per layer on average
  std::string selector = "reference";  // scalekv: "reference" or "attention"
  // Measured of the model: what some policies need, and where scalekv then takes its drafters from.
  std::shared_ptr<const Calibration> calibration = nullptr;
};

// A policy for one geometry. Immutable; shared by every image of a run.
struct Policy {
  std::string name;
  Budget budget;
  std::shared_ptr<const Selector> selector;  // nullptr where the budget is unlimited
  bool by_share = true;                      // false: a file fixed the budget, whatever share was asked for
};

struct PolicyFacts {
  std::string name;
  std::string summary;
};

// Every policy there is, in the order to show them.
std::vector<PolicyFacts> known_policies();

// Does the policy of that name stand on a calibration of the model? Throws UsageError where there is none.
bool needs_calibration(const std::string& name);

// The share of the cache that a policy keeps when it is asked for `budget`: "full" keeps all of it.
double kept_share(const std::string& name, double budget);

// Throws UsageError on a name, selector or share that does not exist, listing those that do.
void check_policy_request(const PolicyRequest& request);

// Throws as check_policy_request does.
Policy make_policy(const PolicyRequest& request, const CacheGeometry& geometry);

}  // namespace scalekv::cache
