#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "cache/keep_plan.h"
#include "golden/checks.h"
#include "golden/replay.h"

namespace scalekv::golden {
namespace {

// One call of the reference's update_kv.
struct Case {
  explicit Case(const nlohmann::json& json)
      : name(json.at("name")),
        scale(json.at("scale_ind")),
        cache_tokens(json.at("key_len")),
        map_tokens(json.at("q_len")),
        layer(json.value("layer_idx", std::size_t{0})),
        base(json.at("base_capacity")),
        kept(json.value("out_len", std::int64_t{0})),
        reached(json.value("has_reached_base_before", false)),
        options{.window = json.at("window_size"),
                .pool = json.at("kernel_size"),
                .average = json.at("pooling") == "avgpool"} {}

  cache::SelectionFacts facts() const {
    return {.scale = scale, .map = {1, map_tokens}, .history = cache_tokens - map_tokens, .capacity = kept};
  }

  std::string name;
  int scale;
  std::int64_t cache_tokens, map_tokens;
  std::size_t layer;
  std::int64_t base, kept;
  bool reached;
  cache::WindowOptions options;
};

// What the plan keeps in the case's situation: a schedule whose maps add up to the case's history (and, where the base
// was exceeded before, a budget that cut it down to that). Nothing where a plan cannot get there.
std::optional<std::int64_t> planned(const Case& c, const nlohmann::json& sizes) {
  const std::int64_t history = c.cache_tokens - c.map_tokens;
  const std::int64_t between = std::max(0, c.scale - 1);  // maps of one token after the first
  cache::CacheGeometry geometry{.layers = 1, .heads = 1, .head_size = 4, .scales = {}};
  std::map<int, std::vector<std::int64_t>> rows;
  for (std::size_t number = 0; number < sizes.size(); ++number) {
    if (sizes[number].is_null()) continue;
    if (sizes[number].size() <= c.layer) return std::nullopt;  // the engine refuses a budget of fewer layers
    rows[static_cast<int>(number)] = {sizes[number][c.layer].get<std::int64_t>()};
  }
  if (c.scale < 1 || history <= between || rows.empty()) return std::nullopt;
  if (!c.reached && history > c.base) return std::nullopt;
  const std::int64_t first = c.reached ? std::max(c.base, history) + 1 : history - between;
  geometry.scales.push_back({1, first});
  for (std::int64_t i = 0; i < between; ++i) geometry.scales.push_back({1, 1});
  geometry.scales.push_back({1, c.map_tokens});
  for (int number = 2; c.reached && number < c.scale + 2 && number <= 13; ++number) {
    if (number == std::min(c.scale + 2, 13)) continue;
    rows[number] = {history - between + number - 2};
  }
  if (rows.rbegin()->first < std::min(c.scale + 2, 13)) return std::nullopt;
  // The last row serves all scales behind it, also the one before the case's.
  if (c.reached && c.scale + 1 >= rows.rbegin()->first && rows.rbegin()->second[0] < history) return std::nullopt;
  const cache::Budget budget(1, 1, c.base, rows);
  return cache::KeepPlan(geometry, budget, true).after(c.scale, 0, 0);
}

class CaseCheck {
 public:
  CaseCheck(const Fixture& fixture, const Case& c, Report& report) : fixture_(fixture), case_(c), report_(report) {}

  void run() {
    const std::string keys_name = tensor("k");
    if (!fixture_.has(keys_name)) return;
    report_.input(keys_name);
    report_.input(tensor("q"));
    const Numbers keys = fixture_.numbers(keys_name);       // [B, H, N, D]
    const Numbers queries = fixture_.numbers(tensor("q"));  // [B, H, L, D]
    const std::int64_t size = keys.shape[3];
    const std::unique_ptr<const cache::Selector> selector = cache::make_reference_selector(case_.options);
    const cache::SelectionFacts facts = case_.facts();
    for (std::int64_t row = 0; row < keys.shape[0] * keys.shape[1]; ++row) {
      const float* first_key = keys.values.data() + row * case_.cache_tokens * size;
      const float* first_query = queries.values.data() + row * case_.map_tokens * size;
      const cache::SelectionInput all{View<const float>(first_query, Shape{case_.map_tokens, size}),
                                      {first_key, first_key, facts.history, size},
                                      {first_key + facts.history * size, first_key, case_.map_tokens, size}};
      select(*selector, facts, all);
    }
    compare();
  }

 private:
  std::string tensor(const char* what) const { return case_.name + "." + what; }

  void select(const cache::Selector& selector, const cache::SelectionFacts& facts, const cache::SelectionInput& all) {
    window_ = cache::reference_window(facts.scale, facts.tokens(), case_.options.window);
    const std::vector<float> scores = reference_scores(facts, all, window_);
    std::vector<float> pooled = cache::pool_scores(scores, case_.options.pool, case_.options.average);
    pooled_.insert(pooled_.end(), pooled.begin(), pooled.end());
    scores_.insert(scores_.end(), scores.begin(), scores.end());
    for (const std::int64_t index : window_) pooled[static_cast<std::size_t>(index)] = -INFINITY;
    const std::int64_t picked = case_.kept - static_cast<std::int64_t>(window_.size());
    const Threshold threshold = find_threshold(pooled, picked);
    thresholds_.push_back(threshold.value);
    gaps_.push_back(threshold.gap);
    ties_.insert(ties_.end(), {threshold.above, threshold.equal, picked});
    masked_.push_back(std::move(pooled));

    const std::vector<std::int64_t> wanted = selector.observed_queries(facts);
    const std::int64_t size = all.queries.size(1);
    Tensor queries(DType::f32, {static_cast<std::int64_t>(wanted.size()), size}, MemoryKind::other);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      std::copy_n(all.queries.at(wanted[i], 0), size, queries.view<float>().at(i, 0));
    }
    std::vector<std::int32_t> kept(static_cast<std::size_t>(case_.kept));
    selector.select(facts, {queries.view<float>(), all.history, all.map}, kept);
    kept_.push_back(std::move(kept));
  }

  void compare() {
    if (fixture_.has(tensor("window")))
      report_.exact(tensor("window"), fixture_.integers(tensor("window")).values, window_);
    if (fixture_.has(tensor("scores")))
      report_.compare(tensor("scores"), fixture_.numbers(tensor("scores")).values, scores_);
    if (fixture_.has(tensor("pooled"))) {
      report_.compare(tensor("pooled"), fixture_.numbers(tensor("pooled")).values, pooled_);
    }
    if (fixture_.has(tensor("thr")))
      report_.compare(tensor("thr"), fixture_.numbers(tensor("thr")).values, thresholds_);
    if (fixture_.has(tensor("tie"))) report_.exact(tensor("tie"), fixture_.integers(tensor("tie")).values, ties_);
    for (const char* what : {"keep_stable", "keep"}) {
      if (fixture_.has(tensor(what))) compare_kept(tensor(what), std::string(what) == "keep_stable");
    }
  }

  // exact: the same tokens but for ties; else any order among equal scores.
  void compare_kept(const std::string& name, bool exact) {
    const std::vector<std::int64_t> stored = fixture_.integers(name).values;
    std::size_t wrong = 0;
    std::size_t ties = 0;
    for (std::size_t row = 0; row < kept_.size(); ++row) {
      const auto count = static_cast<std::size_t>(case_.kept);
      std::vector<std::int32_t> recorded(stored.begin() + static_cast<std::ptrdiff_t>(row * count),
                                         stored.begin() + static_cast<std::ptrdiff_t>((row + 1) * count));
      std::vector<std::int32_t> different;
      std::set_symmetric_difference(recorded.begin(), recorded.end(), kept_[row].begin(), kept_[row].end(),
                                    std::back_inserter(different));
      for (const std::int32_t index : different) {
        const float distance = std::abs(masked_[row][static_cast<std::size_t>(index)] - thresholds_[row]);
        const bool tie = exact ? distance <= 1e-5F && gaps_[row] < 1e-4F : distance <= 1e-5F;
        ++(tie ? ties : wrong);
      }
    }
    const std::size_t all = wrong + ties;
    report_.verdict(name, wrong == 0,
                    all == 0 ? fmt::format("identical ({} selections)", kept_.size())
                             : fmt::format("differs at {} places, of which {} are ties within 1e-5", all, ties));
  }

  const Fixture& fixture_;
  const Case& case_;
  Report& report_;
  std::vector<std::int64_t> window_, ties_;
  std::vector<float> scores_, pooled_, thresholds_, gaps_;
  std::vector<std::vector<float>> masked_;
  std::vector<std::vector<std::int32_t>> kept_;
};

}  // namespace

void check_selector(const Fixture& fixture, Report& report) {
  if (!fixture.json().contains("cases")) return;
  for (const nlohmann::json& json : fixture.json()["cases"]) {
    const Case c(json);
    if (json.contains("error")) {
      report.skip(c.name, "the reference crashes here and stored nothing to compare with");
      continue;
    }
    const nlohmann::json& sizes = json.value("cache_sizes", nlohmann::json::array());
    if (const std::optional<std::int64_t> after = planned(c, sizes)) {
      const std::string name = fixture.has(c.name + ".unchanged") ? c.name + ".unchanged" : c.name + " plan";
      report.verdict(name, *after == c.kept,
                     fmt::format("{} of {} tokens stay, {} by the plan", c.kept, c.cache_tokens, *after));
    }
    CaseCheck(fixture, c, report).run();
  }
}

}  // namespace scalekv::golden
