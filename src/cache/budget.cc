#include "cache/budget.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/numbers.h"

namespace scalekv::cache {
namespace {

constexpr std::int64_t kSquareHistory = 6425;  // tokens before the last of the 13 square scales
constexpr std::int64_t kRefinerFloor = 200;    // the least a refiner gets in the published tables
constexpr double kFloorShare = 200.0 / 650.0;  // the same against the mean, for smaller budgets

std::int64_t refiner_floor(std::int64_t mean) {
  const auto proportional = static_cast<std::int64_t>(std::ceil(kFloorShare * static_cast<double>(mean)));
  return std::max<std::int64_t>(1, std::min(kRefinerFloor, proportional));
}

// One row: refiners get what the drafters' limit leaves, at least the floor, then the drafters share the rest evenly.
ScaleBudget allocate_row(std::int64_t layers, std::int64_t mean, std::int64_t limit, const std::vector<int>& drafters) {
  const auto count = static_cast<std::int64_t>(drafters.size());
  const std::int64_t total = layers * mean;
  const std::int64_t refiners = layers - count;
  if (refiners == 0) return {drafters, mean, mean};
  const std::int64_t spare = total - count * limit;
  std::int64_t min = refiner_floor(mean);
  if (spare > 0) min = std::max(min, (spare + refiners - 1) / refiners);
  min = std::min(min, mean);
  while (min < mean && (total - refiners * min) % count != 0) ++min;
  return {drafters, (total - refiners * min) / count, min};
}

}  // namespace

Budget::Budget(int layers, int heads, std::int64_t base, std::map<int, std::vector<std::int64_t>> rows)
    : layers_(layers), heads_(heads), base_(base), rows_(std::move(rows)) {
  for (const auto& [number, row] : rows_) {
    if (row.size() != static_cast<std::size_t>(layers) * static_cast<std::size_t>(heads)) {
      fail("the budget of scale {} has {} entries, but {} layers x {} heads are {}", number, row.size(), layers, heads,
           layers * heads);
    }
    for (const std::int64_t capacity : row) {
      if (capacity < 1) fail("the budget of scale {} holds {}; a capacity is at least 1 token", number, capacity);
    }
  }
}

std::int64_t Budget::capacity_after(int scale, int layer, int head) const {
  if (unlimited()) return kUnlimited;
  const int number = std::min(scale + 2, rows_.rbegin()->first);
  const auto row = rows_.find(number);
  if (row == rows_.end()) {
    fail("the budget has no row for scale {}, which finds more than {} tokens of history", number, base_);
  }
  return row->second[static_cast<std::size_t>(layer * heads_ + head)];
}

void Budget::check_fits(const CacheGeometry& geometry) const {
  if (unlimited()) return;
  if (layers_ != geometry.layers || heads_ != geometry.heads) {
    fail("the budget is for {} layers of {} heads, the model has {} of {}; calibrate a budget for this model", layers_,
         heads_, geometry.layers, geometry.heads);
  }
}

Budget make_scale_budget(int layers, int heads, std::int64_t base, const std::map<int, ScaleBudget>& rows) {
  std::map<int, std::vector<std::int64_t>> expanded;
  for (const auto& [number, row] : rows) {
    std::vector<std::int64_t> capacities(static_cast<std::size_t>(layers * heads), row.min);
    for (const int drafter : row.drafters) {
      if (drafter < 0 || drafter >= layers) continue;  // the published 2B table names layer 23 of shallower models too
      std::fill_n(capacities.begin() + drafter * heads, heads, row.max);
    }
    expanded.emplace(number, std::move(capacities));
  }
  return Budget(layers, heads, base, std::move(expanded));
}

Budget make_uniform_budget(const CacheGeometry& geometry, std::int64_t capacity) {
  std::map<int, std::vector<std::int64_t>> rows;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    if (geometry.tokens_before(number - 1) <= capacity) continue;
    rows.emplace(number,
                 std::vector<std::int64_t>(static_cast<std::size_t>(geometry.layers * geometry.heads), capacity));
  }
  return Budget(geometry.layers, geometry.heads, capacity, std::move(rows));
}

std::int64_t mean_tokens(double share, const CacheGeometry& geometry) {
  SCALEKV_ASSERT(share > 0.0 && share <= 1.0);
  const std::int64_t history = geometry.history();
  if (history == kSquareHistory) {
    constexpr std::pair<double, std::int64_t> kPublished[] = {{0.20, 1300}, {0.10, 650}, {0.04, 265}, {0.01, 65}};
    for (const auto& [published, tokens] : kPublished) {
      if (std::abs(share - published) < 1e-9) return tokens;
    }
  }
  return std::max<std::int64_t>(1, std::llround(share * static_cast<double>(history)));
}

std::map<int, ScaleBudget> allocate_scale_budget(const CacheGeometry& geometry, std::int64_t mean,
                                                 const std::map<int, std::vector<int>>& drafters) {
  if (drafters.empty() || drafters.begin()->second.empty())
    fail("a scale-aware budget needs at least one drafter layer");
  std::map<int, ScaleBudget> rows;
  std::int64_t limit = 0;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const std::int64_t history = geometry.tokens_before(number - 1);
    if (history <= mean) continue;
    limit = rows.empty() ? history : rows.rbegin()->second.max + geometry.map_tokens(number - 2);
    auto named = drafters.upper_bound(number);
    const std::vector<int>& layers = named == drafters.begin() ? named->second : std::prev(named)->second;
    rows.emplace(number, allocate_row(geometry.layers, mean, limit, layers));
  }
  return rows;
}

std::vector<std::int64_t> pyramid_row(int layers, std::int64_t mean, std::int64_t history) {
  constexpr std::int64_t kSteepness = 20;
  const std::int64_t last = std::max<std::int64_t>(1, mean / kSteepness);
  const std::int64_t first = 2 * mean - last;
  std::vector<std::int64_t> row;
  std::int64_t left = layers * mean;
  for (int layer = 0; layer < layers; ++layer) {
    const std::int64_t fall = layers > 1 ? (first - last) * layer / (layers - 1) : first - mean;
    row.push_back(std::min(first - fall, history));
    left -= row.back();
  }
  // What a layer cannot hold, and what rounding left, goes to the others, a token at a time from the first layer on.
  while (left > 0 && *std::min_element(row.begin(), row.end()) < history) {
    for (std::int64_t& capacity : row) {
      if (left > 0 && capacity < history) ++capacity, --left;
    }
  }
  for (auto capacity = row.begin(); left < 0;
       capacity = std::next(capacity) == row.end() ? row.begin() : capacity + 1) {
    if (*capacity > 1) --*capacity, ++left;
  }
  return row;
}

int drafter_count(int layers) {
  constexpr int kLayersPerDrafter = 13;
  return std::max(1, layers / kLayersPerDrafter);
}

bool has_published_budgets(const CacheGeometry& geometry) {
  struct Published {
    int layers, heads;
    std::int64_t head_size;
  };
  constexpr Published kPublished[] = {{32, 16, 128}, {40, 28, 128}};  // Infinity-2B and 8B
  constexpr int kPublishedScales = 13;                                // of 1024x1024 and as many pixels in other shapes
  return geometry.scale_count() == kPublishedScales &&
         std::any_of(std::begin(kPublished), std::end(kPublished), [&](const Published& model) {
           return model.layers == geometry.layers && model.heads == geometry.heads &&
                  model.head_size == geometry.head_size;
         });
}

std::map<int, std::vector<int>> default_drafters(int layers) {
  if (layers == 32) return {{1, {0, 23}}, {13, {0}}};
  if (layers == 40) return {{1, {0, 1, 2}}};
  std::vector<int> drafters;
  for (int layer = 0; layer < std::max(1, layers / 16); ++layer) drafters.push_back(layer);
  return {{1, std::move(drafters)}};
}

double parse_share(const std::string& text) {
  if (text == "full") return 1.0;
  const bool percent = text.ends_with('%');
  const std::string_view number = std::string_view(text).substr(0, text.size() - (percent ? 1 : 0));
  const auto value = find_number<double>(number);
  if (!value || number.ends_with(' ')) {
    fail_usage("'{}' is not a cache budget; write a percentage (10%), a share (0.1) or full", text);
  }
  const double share = percent ? *value / 100.0 : *value;
  if (!(share > 0.0) || share > 1.0) {
    fail_usage("a cache budget of {} is not possible; ask for more than 0% and at most 100%", text);
  }
  return share;
}

}  // namespace scalekv::cache
