// HeatKV's published rankings (arm-research/heatkv, orders/2b.json and 8b.json): which heads need the tokens of which
// source scale least, measured on the released weights. With them HeatKV has a plan for any budget and picture size
// without a calibration (docs/ALGORITHM.md, docs/FORMATS.md).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cache/planned.h"

namespace scalekv::cache {

// Lists of heads, [source scale - kProtectedScales][rank] -> layer * heads + head, the least needed first. Each holds
// every head of the model once.
using Rankings = std::vector<std::vector<int>>;

inline constexpr const char* kRankedPolicy = "heatkv";
inline constexpr int kRankedScales = 9;  // what the 1M schedule stores after the protected ones

// Is this JSON text meant to be such a file? The published ones are lists, HeatKV's own tool writes an object with
// "orders".
bool holds_rankings(const nlohmann::json& json);

// layers, heads: of the model that they are for. Throws Error on a file for another one, naming both, and on one that
// is damaged, naming the list and the entry.
Rankings read_rankings(const nlohmann::json& json, const std::string& where, int layers, int heads);

// HeatKV's plan for a share of the full history. Where the first three scales alone are more than that, fewer stay
// everywhere, and scales without a list go by the first one.
TokenPlan plan_rankings(const Rankings& rankings, const CacheGeometry& geometry, double share);

Policy make_ranked(const Rankings& rankings, const CacheGeometry& geometry, double share);

}  // namespace scalekv::cache
