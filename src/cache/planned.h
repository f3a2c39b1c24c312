// Plans of tokens, and policies whose every decision is made before anything is drawn.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cache/policy.h"

namespace scalekv::cache {

// kept[row][layer * heads + head][position in the pyramid]: is the token still there when scale `row` (from 1) starts?
// What is gone in a row is gone in all later ones; every head keeps at least one token, or folds.
using TokenPlan = std::map<int, std::vector<std::vector<bool>>>;

// How many of the first scales HeatKV keeps everywhere: three, or fewer where these alone are more than `mean` tokens.
inline constexpr int kProtectedScales = 3;
int protected_scales(const CacheGeometry& geometry, std::int64_t mean);

// HeatKV's choice of whole source scales by a calibration (cache/heatkv.cc).
TokenPlan plan_blocks(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean);

// How many tokens a plan leaves to every head. folds: and one more where any is dropped, for the folded one.
Budget planned_budget(const CacheGeometry& geometry, std::int64_t mean, const TokenPlan& plan, bool folds);

// mean: histories up to this length are never touched. folds: what a head drops becomes one token (cache/merge.h),
// which takes a place of its own beside those of the plan. An empty plan keeps everything.
Policy make_planned(const std::string& name, const CacheGeometry& geometry, std::int64_t mean, TokenPlan plan,
                    bool folds);

}  // namespace scalekv::cache
