// Budgets: how many tokens each layer and head may carry from one scale to the next.
//
// Scale-aware budgets follow ScaleKV (arXiv 2505.19602): a few "drafter" layers get `max` tokens, the other ("refiner")
// layers `min`, and the split moves from refiners to drafters as the history grows. Rows are numbered as in the
// published files: row n, counted from 1, is the history that scale n finds when it starts.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "cache/geometry.h"

namespace scalekv::cache {

inline constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// Capacity per (row, layer, head).
class Budget {
 public:
  // No limit anywhere: the full cache.
  Budget() = default;
  // base: histories up to this length are never touched (650 in the published scripts).
  // rows[n][layer * heads + head] is the capacity when scale n (from 1) starts.
  Budget(int layers, int heads, std::int64_t base, std::map<int, std::vector<std::int64_t>> rows);

  bool unlimited() const { return rows_.empty(); }
  std::int64_t base() const { return base_; }
  // Capacity of the history that is left after scale index `scale` (from 0), i.e. row scale + 2; rows past the last one
  // count as the last. Throws Error where that row is missing or the budget is for fewer layers or heads.
  std::int64_t capacity_after(int scale, int layer, int head) const;
  // Throws Error unless the budget is for this many layers and heads.
  void check_fits(const CacheGeometry& geometry) const;
  const std::map<int, std::vector<std::int64_t>>& rows() const { return rows_; }

 private:
  int layers_ = 0;
  int heads_ = 0;
  std::int64_t base_ = kUnlimited;
  std::map<int, std::vector<std::int64_t>> rows_;
};

// One row of a scale-aware budget.
struct ScaleBudget {
  std::vector<int> drafters;  // layers
  std::int64_t max = 0;       // tokens of a drafter
  std::int64_t min = 0;       // tokens of a refiner
};

// Expands drafter rows (keyed by scale number, from 1) to a budget that is equal over heads.
Budget make_scale_budget(int layers, int heads, std::int64_t base, const std::map<int, ScaleBudget>& rows);

// The same capacity everywhere, in every row whose history exceeds it.
Budget make_uniform_budget(const CacheGeometry& geometry, std::int64_t capacity);

// Mean tokens a layer that a share of the full history amounts to. For the square 13-scale schedule the published
// numbers hold: 20% 1300, 10% 650, 4% 265, 1% 65; elsewhere share x history, rounded.
// share is in (0, 1].
std::int64_t mean_tokens(double share, const CacheGeometry& geometry);

// The allocator (docs/ALGORITHM.md): found by fitting the published tables, all ten rows of which it reproduces.
// drafters[n]: drafter layers of row n; a row that is missing takes the one before it.
// Returns rows from the first whose history exceeds `mean` to the last scale.
std::map<int, ScaleBudget> allocate_scale_budget(const CacheGeometry& geometry, std::int64_t mean,
                                                 const std::map<int, std::vector<int>>& drafters);

// PyramidKV's capacities of one row, one a layer: the last gets 1/20 of `mean`, the first twice the mean less that, and
// the others lie on the line between. None is above `history` (the excess goes to the others) nor below 1; they add up
// to layers x mean where layers x history allows it.
std::vector<std::int64_t> pyramid_row(int layers, std::int64_t mean, std::int64_t history);

// Drafters among so many layers where a calibration names them: one in 13, as in the published tables (2 of 32, 3 of
// 40), and at least one.
int drafter_count(int layers);

// Are there published budgets for a model of these layers and heads and a picture of so many scales?
bool has_published_budgets(const CacheGeometry& geometry);

// The drafter layers to assume: those published for 2B (32 layers) and 8B (40 layers); for any other depth the first
// layer of every 16, which is where the published models have most of theirs, until a calibration says better.
std::map<int, std::vector<int>> default_drafters(int layers);

// "10%", "0.1" or "full" -> share. Throws UsageError with the accepted forms.
double parse_share(const std::string& text);

}  // namespace scalekv::cache
