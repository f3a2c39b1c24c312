// Policies whose every decision is made before anything is drawn: which tokens a head keeps is a plan.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cache/policy.h"

namespace scalekv::cache {

// kept[row][layer * heads + head][position in the pyramid]: is the token still there when scale `row` (from 1) starts?
// What is gone in a row is gone in all later ones; every head keeps at least one token.
using TokenPlan = std::map<int, std::vector<std::vector<bool>>>;

// HeatKV's choice of whole source scales (cache/heatkv.cc).
TokenPlan plan_blocks(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean);

// mean: histories up to this length are never touched. folds: what a head drops becomes one token (cache/merge.h),
// which takes a place of its own beside those of the plan. An empty plan keeps everything.
Policy make_planned(const std::string& name, const CacheGeometry& geometry, std::int64_t mean, TokenPlan plan,
                    bool folds);

}  // namespace scalekv::cache
