// Budget files: an allocation for one model, policy and budget, as JSON (docs/FORMATS.md). Written by `scalekv
// calibrate`, read by --budget-file; the published ScaleKV files are read and written, too. HeatKV's published
// rankings, which leave the budget open, are read.
#pragma once

#include <map>
#include <string>

#include "cache/budget.h"
#include "cache/planned.h"
#include "cache/rankings.h"

namespace scalekv::cache {

struct BudgetFile {
  std::string where;  // the file, for messages
  std::string model;  // empty in published files, which do not say
  std::string policy;
  double share = 0.0;      // 0 in published files
  CacheGeometry geometry;  // scales are empty in published files
  std::int64_t base = 0;
  std::map<int, std::vector<std::int64_t>> capacities;  // as Budget's rows; empty where there is a plan
  TokenPlan plan;
  bool folds = false;
  Rankings rankings;  // in place of capacities and plan: the budget is open
};

// The allocation of a policy that has one of its own (allocated_policies). Throws UsageError for the others.
BudgetFile allocate(const PolicyRequest& request, const CacheGeometry& geometry, const std::string& model);

std::string to_json(const BudgetFile& file);
// The shape of the files in the ScaleKV repository: {"Scale 9": {"Max": 920, "Min": 632, "Block 0": 1, ...}, ...}.
// Throws Error where an allocation has more than two capacities in a row, differs between heads, or has a capacity
// below 16, which the published selector cannot serve.
std::string to_published_json(const BudgetFile& file);

// Reads any of these. layers, heads: of the model that it is for. Throws Error with one sentence on anything that
// cannot be.
BudgetFile parse_budgets(const std::string& json, const std::string& where, int layers, int heads);

// What a file's text says of itself, before a model is at hand to read it for: its policy, and the share of the full
// cache (0 in published files). What is wrong inside is left to parse_budgets.
struct BudgetClaims {
  std::string policy;
  double share = 0.0;
  bool open = false;  // rankings: the share is the caller's to say
};
BudgetClaims read_budget_claims(const std::string& text);

// The policy that a file describes. Throws Error unless it covers every scale of the geometry. Of the request, the
// selector counts, and the share where the file leaves the budget open.
Policy make_policy(const BudgetFile& file, const CacheGeometry& geometry, const PolicyRequest& request);

}  // namespace scalekv::cache
