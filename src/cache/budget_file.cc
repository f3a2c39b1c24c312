#include "cache/budget_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_fields.h"
#include "base/numbers.h"
#include "base/strict_json.h"

namespace scalekv::cache {
namespace {

constexpr const char* kBudgetsFormat = "scalekv-budgets-1";
constexpr std::int64_t kMostTokens = 1'000'000;  // of a pyramid: far above any
constexpr std::int64_t kPublishedWindow = 16;    // the published selector fails below it
constexpr int kMostScales = 64;

// A row's list for every layer, which holds a list for every head.
template <typename Read>
void read_row(const nlohmann::json& row, const char* key, const std::string& at, const BudgetFile& file,
              const Read& read) {
  const nlohmann::json& layers = json_list(row, key, at, static_cast<std::size_t>(file.geometry.layers));
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    const nlohmann::json& heads = layers.at(layer);
    if (!heads.is_array() || heads.size() != static_cast<std::size_t>(file.geometry.heads)) {
      fail("{}, layer {}: not a list of {} heads", at, layer, file.geometry.heads);
    }
    for (std::size_t head = 0; head < heads.size(); ++head) {
      read(heads.at(head), fmt::format("{}, layer {}, head {}", at, layer, head));
    }
  }
}

std::int64_t whole_number(const nlohmann::json& value, std::int64_t least, std::int64_t most, const std::string& at) {
  if (!value.is_number_integer() || value < least || value > most) {
    fail("{}: {} is not a whole number of tokens from {} to {}", at, value.dump().substr(0, 40), least, most);
  }
  return value.get<std::int64_t>();
}

// [[first, last], ...] -> which of `history` tokens stay.
// folds: the head has a folded token, and need not keep any other.
std::vector<bool> read_runs(const nlohmann::json& runs, std::int64_t history, bool folds, const std::string& at) {
  if (!runs.is_array() || (runs.empty() && !folds)) {
    fail("{}: not a list of runs [first, last] of tokens{}", at, folds ? "" : ", at least one");
  }
  std::vector<bool> kept(static_cast<std::size_t>(history), false);
  std::int64_t next = 0;
  for (const nlohmann::json& run : runs) {
    if (!run.is_array() || run.size() != 2) fail("{}: a run is not [first, last]", at);
    const std::int64_t first = whole_number(run.at(0), next, history - 1, at);
    const std::int64_t last = whole_number(run.at(1), first, history - 1, at);
    std::fill(kept.begin() + first, kept.begin() + last + 1, true);
    next = last + 1;
  }
  return kept;
}

nlohmann::json write_runs(const std::vector<bool>& kept) {
  nlohmann::json runs = nlohmann::json::array();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i]) continue;
    if (i > 0 && kept[i - 1]) {
      runs.back()[1] = i;
    } else {
      runs.push_back({i, i});
    }
  }
  return runs;
}

// "Scale 9" -> 9; 0 for anything else.
int published_number(const std::string& key) {
  constexpr std::string_view kPrefix = "Scale ";
  if (!key.starts_with(kPrefix)) return 0;
  const int number = find_number<int>(key.substr(kPrefix.size())).value_or(0);
  return number >= 1 && number <= kMostScales ? number : 0;
}

// The one whose budgets have the published shape.
std::string published_policy() {
  const std::vector<std::string> names = allocated_policies();
  return *std::find_if(names.begin(), names.end(),
                       [](const std::string& name) { return allocation(name) == Allocation::capacities; });
}

BudgetFile read_published(const nlohmann::json& json, const std::string& where, int layers, int heads) {
  BudgetFile file;
  file.where = where;
  file.policy = published_policy();
  file.geometry = {.layers = layers, .heads = heads, .head_size = 0, .scales = {}};
  std::map<int, ScaleBudget> rows;
  for (const auto& [key, row] : json.items()) {
    const int number = published_number(key);
    const std::string at = fmt::format("{}, {}", where, in_quotes(key));
    if (number == 0) fail("{}: not \"Scale N\"; this is no file of budgets", at);
    ScaleBudget budget{.drafters = {},
                       .max = json_integer(row, "Max", at, kPublishedWindow, kMostTokens),
                       .min = json_integer(row, "Min", at, kPublishedWindow, kMostTokens)};
    int blocks = 0;
    for (int layer = 0; row.contains(fmt::format("Block {}", layer)); ++layer, ++blocks) {
      if (json_integer(row, fmt::format("Block {}", layer), at, 0, 1) == 1) budget.drafters.push_back(layer);
    }
    if (blocks != layers) fail("{}: budgets of {} blocks, but the model has {} layers", at, blocks, layers);
    rows.emplace(number, std::move(budget));
  }
  if (rows.empty()) fail("{}: no budget of any scale", where);
  const ScaleBudget& first = rows.begin()->second;
  // The file leaves out the length below which nothing is touched; the scripts pass the mean of the first row.
  const auto drafters = static_cast<std::int64_t>(first.drafters.size());
  file.base = (drafters * first.max + (layers - drafters) * first.min) / layers;
  file.capacities = make_scale_budget(layers, heads, file.base, rows).rows();
  return file;
}

void check_layers(const BudgetFile& file, int layers, int heads) {
  if (file.geometry.layers == layers && file.geometry.heads == heads) return;
  fail("{} is for {} layers of {} heads, the model has {} of {}; calibrate budgets for this model", file.where,
       file.geometry.layers, file.geometry.heads, layers, heads);
}

BudgetFile read_ours(const nlohmann::json& json, const std::string& where, int layers, int heads) {
  BudgetFile file;
  file.where = where;
  file.model = json_text(json, "model", where);
  file.policy = json_text(json, "policy", where);
  file.share = json_number(json, "budget", where);
  file.base = json_integer(json, "base", where, 1, kMostTokens);
  file.geometry = {.layers = static_cast<int>(json_integer(json, "layers", where, 1, 4096)),
                   .heads = static_cast<int>(json_integer(json, "heads", where, 1, 4096)),
                   .head_size = json_integer(json, "head_size", where, 1, 4096),
                   .scales = {}};
  check_layers(file, layers, heads);
  for (const nlohmann::json& scale : json_list(json, "scales", where)) {
    if (!scale.is_array() || scale.size() != 2 || file.geometry.scale_count() >= kMostScales) {
      fail("{}: \"scales\" is not a list of at most {} sizes [height, width]", where, kMostScales);
    }
    const std::string at = where + ", \"scales\"";
    file.geometry.scales.push_back({whole_number(scale.at(0), 1, 512, at), whole_number(scale.at(1), 1, 512, at)});
  }
  const nlohmann::json& folds = json_member(json, "folds", where);
  if (!folds.is_boolean()) fail("{}: \"folds\" is neither true nor false", where);
  file.folds = folds.get<bool>();
  const nlohmann::json& rows = json_member(json, "rows", where);
  for (int number = 2; number <= file.geometry.scale_count(); ++number) {
    const std::int64_t history = file.geometry.tokens_before(number - 1);
    if (history <= file.base) continue;
    const std::string key = std::to_string(number);
    const std::string at = fmt::format("{}, scale {}", where, number);
    if (!rows.is_object() || !rows.contains(key)) fail("{}: its row is missing", at);
    const nlohmann::json& row = rows.at(key);
    if (row.contains("capacities")) {
      auto& capacities = file.capacities[number];
      read_row(row, "capacities", at, file, [&](const nlohmann::json& value, const std::string& here) {
        capacities.push_back(whole_number(value, 1, kMostTokens, here));
      });
    } else {
      auto& heads_kept = file.plan[number];
      read_row(row, "kept", at, file, [&](const nlohmann::json& value, const std::string& here) {
        heads_kept.push_back(read_runs(value, history, file.folds, here));
      });
    }
  }
  const bool planned = allocation(file.policy) == Allocation::tokens;
  if (allocation(file.policy) == Allocation::none) {
    fail("{}: there are no budgets of a policy {}; {} have some", where, in_quotes(file.policy),
         in_words(allocated_policies(), "and"));
  }
  if (planned ? !file.capacities.empty() : !file.plan.empty()) {
    fail("{}: {} has {}", where, file.policy, planned ? "kept tokens, not capacities" : "capacities, not kept tokens");
  }
  return file;
}

// A head must not keep in a row what it dropped in the row before.
void check_nested(const BudgetFile& file) {
  for (auto row = file.plan.begin(); row != file.plan.end() && std::next(row) != file.plan.end(); ++row) {
    const auto& [number, next] = *std::next(row);
    for (std::size_t head = 0; head < next.size(); ++head) {
      for (std::size_t token = 0; token < row->second[head].size(); ++token) {
        if (next[head][token] && !row->second[head][token]) {
          fail("{}, scale {}, layer {}, head {}: token {} is kept after it was dropped", file.where, number,
               head / static_cast<std::size_t>(file.geometry.heads),
               head % static_cast<std::size_t>(file.geometry.heads), token);
        }
      }
    }
  }
}

}  // namespace

BudgetFile allocate(const PolicyRequest& request, const CacheGeometry& geometry, const std::string& model) {
  check_policy_request(request);
  if (allocation(request.name) == Allocation::none) {
    fail_usage("{} has no budgets of its own to write; choose {}", request.name, in_words(allocated_policies(), "or"));
  }
  const Policy policy = make_policy(request, geometry);
  BudgetFile file{.where = "the allocation",
                  .model = model,
                  .policy = request.name,
                  .share = request.share,
                  .geometry = geometry,
                  .base = mean_tokens(request.share, geometry),
                  .capacities = {},
                  .plan = {},
                  .folds = policy.folds,
                  .rankings = {}};
  if (policy.plan) {
    file.plan = *policy.plan;
  } else {
    file.capacities = policy.budget.rows();
  }
  return file;
}

std::string to_json(const BudgetFile& file) {
  nlohmann::ordered_json json = {{"format", kBudgetsFormat},
                                 {"model", file.model},
                                 {"policy", file.policy},
                                 {"budget", file.share},
                                 {"layers", file.geometry.layers},
                                 {"heads", file.geometry.heads},
                                 {"head_size", file.geometry.head_size},
                                 {"scales", nlohmann::json::array()},
                                 {"base", file.base},
                                 {"folds", file.folds},
                                 {"rows", nlohmann::json::object()}};
  for (const MapSize& map : file.geometry.scales) json["scales"].push_back({map.height, map.width});
  const auto heads = static_cast<std::size_t>(file.geometry.heads);
  for (const auto& [number, row] : file.capacities) {
    nlohmann::json layers = nlohmann::json::array();
    for (std::size_t i = 0; i < row.size(); i += heads) {
      layers.push_back(std::vector<std::int64_t>(row.begin() + static_cast<std::ptrdiff_t>(i),
                                                 row.begin() + static_cast<std::ptrdiff_t>(i + heads)));
    }
    json["rows"][std::to_string(number)] = {{"capacities", std::move(layers)}};
  }
  for (const auto& [number, row] : file.plan) {
    nlohmann::json layers = nlohmann::json::array();
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i % heads == 0) layers.push_back(nlohmann::json::array());
      layers.back().push_back(write_runs(row[i]));
    }
    json["rows"][std::to_string(number)] = {{"kept", std::move(layers)}};
  }
  return json.dump() + "\n";
}

std::string to_published_json(const BudgetFile& file) {
  if (file.capacities.empty()) {
    fail("the published shape has room for two capacities a scale, which {} does not come down to", file.policy);
  }
  nlohmann::ordered_json json;
  const auto heads = static_cast<std::size_t>(file.geometry.heads);
  for (const auto& [number, row] : file.capacities) {
    const std::set<std::int64_t> values(row.begin(), row.end());
    if (*values.begin() < kPublishedWindow) {
      fail(
          "scale {} has a capacity of {} tokens, and the published selector fails below its window of {}; take a "
          "larger budget, or leave out `published`",
          number, *values.begin(), kPublishedWindow);
    }
    if (values.size() > 2) fail("scale {} has {} different capacities, the published shape two", number, values.size());
    nlohmann::ordered_json mine = {{"Max", *values.rbegin()}, {"Min", *values.begin()}};
    for (std::size_t i = 0; i < row.size(); i += heads) {
      for (std::size_t head = 1; head < heads; ++head) {
        if (row[i + head] != row[i])
          fail("scale {}: heads of one layer differ; the published shape has layers", number);
      }
      mine[fmt::format("Block {}", i / heads)] = values.size() == 2 && row[i] == *values.rbegin() ? 1 : 0;
    }
    json[fmt::format("Scale {}", number)] = std::move(mine);
  }
  return json.dump(2) + "\n";
}

BudgetFile parse_budgets(const std::string& text, const std::string& where, int layers, int heads) {
  const nlohmann::json json = parse_strict_json(text, where);
  if (holds_rankings(json)) {
    BudgetFile file;
    file.where = where;
    file.policy = kRankedPolicy;
    file.geometry = {.layers = layers, .heads = heads, .head_size = 0, .scales = {}};
    file.rankings = read_rankings(json, where, layers, heads);
    return file;
  }
  if (!json.is_object()) fail("{} is no file of budgets: it is not an object, nor HeatKV's lists of heads", where);
  if (!json.contains("format")) return read_published(json, where, layers, heads);
  if (json.at("format") != kBudgetsFormat) {
    fail("{} is no file of budgets of this version: its format is not \"{}\"", where, kBudgetsFormat);
  }
  BudgetFile file = read_ours(json, where, layers, heads);
  check_nested(file);
  return file;
}

BudgetClaims read_budget_claims(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  BudgetClaims claims{.policy = published_policy()};
  if (holds_rankings(json)) return {.policy = kRankedPolicy, .open = true};
  if (!json.is_object() || !json.contains("format")) return claims;
  for (const std::string& policy : allocated_policies()) {
    if (json.contains("policy") && json["policy"] == policy) claims.policy = policy;
  }
  if (const auto share = json.find("budget"); share != json.end() && share->is_number()) claims.share = *share;
  return claims;
}

Policy make_policy(const BudgetFile& file, const CacheGeometry& geometry, const PolicyRequest& request) {
  check_layers(file, geometry.layers, geometry.heads);
  if (!file.geometry.scales.empty() && file.geometry.scales != geometry.scales) {
    fail("{} is for another picture size or aspect ratio; calibrate budgets for this one", file.where);
  }
  if (!file.rankings.empty()) return make_ranked(file.rankings, geometry, request.share);
  if (!file.plan.empty()) {
    Policy policy = make_planned(file.policy, geometry, file.base, file.plan, file.folds);
    policy.by_share = false;
    return policy;
  }
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    if (geometry.tokens_before(number - 1) > file.base && file.capacities.count(number) == 0) {
      fail("{} has no budget for scale {}, which finds {} tokens of history", file.where, number,
           geometry.tokens_before(number - 1));
    }
  }
  return {file.policy,
          Budget(geometry.layers, geometry.heads, file.base, file.capacities),
          make_window_selector(request.selector),
          {},
          false};
}

}  // namespace scalekv::cache
