// Token plans, and policies that make every decision before anything is drawn.
#pragma once

#include <string>

#include "cache/policy.h"

namespace scalekv::cache {

// How many of the first scales HeatKV keeps everywhere: three, or fewer where these alone are more than `mean` tokens.
inline constexpr int kProtectedScales = 3;
int protected_scales(const CacheGeometry& geometry, std::int64_t mean);

// HeatKV's choice of whole source scales by a calibration (cache/heatkv.cc).
TokenPlan plan_blocks(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean);

// A policy of this token plan without a selector. mean: histories up to this length are never touched. folds: what a
// head drops becomes one token (cache/fold.h), which takes a place of its own beside those of the plan. An empty plan
// keeps everything.
Policy plan_policy(const std::string& name, const CacheGeometry& geometry, std::int64_t mean, TokenPlan plan,
                   bool folds);
// The same with the plan's own choice of tokens.
Policy make_planned(const std::string& name, const CacheGeometry& geometry, std::int64_t mean, TokenPlan plan,
                    bool folds);

}  // namespace scalekv::cache
