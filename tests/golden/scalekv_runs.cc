#include "golden/scalekv_runs.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "cache/keep_plan.h"
#include "golden/replay.h"
#include "runtime/threads.h"

namespace scalekv::golden {
namespace {

using Event = std::pair<int, int>;  // scale, layer

// Scores that are this close may be swapped by float32 noise, where the reference's own gap is under kGap.
constexpr float kTie = 1e-5F;
constexpr float kGap = 1e-4F;
// Rounding of a sum of products, against its size.
constexpr float kNoise = 1e-6F;

std::string event_name(const std::string& run, const char* what, Event event) {
  return fmt::format("{}.{}.s{}.l{}", run, what, event.first, event.second);
}

// Scale and layer of a name that ends in ".s4.l0".
Event read_event(const std::string& name) {
  const std::size_t layer_mark = name.rfind(".l");
  const std::size_t scale_mark = name.rfind(".s", layer_mark);
  Event event{-1, -1};
  std::from_chars(name.data() + scale_mark + 2, name.data() + layer_mark, event.first);
  std::from_chars(name.data() + layer_mark + 2, name.data() + name.size(), event.second);
  return event;
}

// Rows per scale, of the published form {"Scale 9": {"Block 0": 1, "Max": 920, "Min": 632}} or a list of capacities.
cache::Budget read_budget(const Fixture& fixture, const model::InfinityConfig& config) {
  const nlohmann::json& settings = fixture.config().at("scalekv");
  const auto base = settings.value("base_capacity", std::int64_t{121});
  std::map<int, std::vector<std::int64_t>> rows;
  const auto add_row = [&](int number, const auto& capacity) {
    std::vector<std::int64_t>& row = rows[number];
    for (int layer = 0; layer < static_cast<int>(config.depth); ++layer) {
      row.insert(row.end(), static_cast<std::size_t>(config.heads), capacity(layer));
    }
  };
  const nlohmann::json info = fixture.json().value("info", nlohmann::json::object());
  if (info.contains("cache_sizes")) {
    const nlohmann::json& sizes = info["cache_sizes"];
    for (std::size_t number = 0; number < sizes.size(); ++number) {
      if (sizes[number].is_null()) continue;
      // As in the reference, layers that a row does not name get the base capacity.
      add_row(static_cast<int>(number), [&](int layer) {
        const auto index = static_cast<std::size_t>(layer);
        return index < sizes[number].size() ? sizes[number][index].get<std::int64_t>() : base;
      });
    }
  } else {
    for (const auto& entry : settings.at("budget").items()) {
      const std::string& key = entry.key();
      const nlohmann::json& row = entry.value();
      add_row(std::stoi(key.substr(key.find(' ') + 1)), [&](int layer) {
        return row.at(row.value(fmt::format("Block {}", layer), 0) == 1 ? "Max" : "Min").get<std::int64_t>();
      });
    }
  }
  return {static_cast<int>(config.depth), static_cast<int>(config.heads), base, rows};
}

cache::WindowOptions read_window(const Fixture& fixture) {
  const nlohmann::json& settings = fixture.config().at("scalekv");
  return {.window = settings.value("window_size", 16),
          .pool = settings.value("kernel_size", 5),
          .average = settings.value("pooling", "maxpool") == "avgpool"};
}

// Everything about one recorded run, skv or skv_stable.
class RecordedRun {
 public:
  RecordedRun(const Fixture& fixture, std::string name, ModelCase& model, Report& report)
      : fixture_(fixture),
        name_(std::move(name)),
        model_(model),
        report_(report),
        options_(read_window(fixture)),
        budget_(read_budget(fixture, model.backend.config())),
        plan_(infinity::cache_geometry(model.backend.config(), model.request.schedule), budget_, true) {
    for (const std::string& keep : fixture.names(name_ + ".keep.")) {
      const Integers recorded = fixture.integers(keep);
      const auto count = static_cast<std::size_t>(recorded.shape[2]);
      std::vector<std::vector<std::int32_t>>& rows = keeps_[read_event(keep)];
      for (std::size_t i = 0; i < recorded.values.size(); i += count) {
        rows.emplace_back(recorded.values.begin() + static_cast<std::ptrdiff_t>(i),
                          recorded.values.begin() + static_cast<std::ptrdiff_t>(i + count));
      }
    }
  }

  void check() {
    check_lengths();
    if (!check_events()) return;
    const bool stable = name_ == "skv_stable";
    const bool same = stable && run_freely();
    run_forced(!same);
    if (stable && !same) {
      report_.verdict(name_ + " run", ties_only_,
                      "the free run keeps other tokens, the comparison went on with the fixture's");
    }
  }

 private:
  // Cache lengths before and after every update, against the plan.
  void check_lengths() {
    const nlohmann::json info = fixture_.json().value("info", nlohmann::json::object());
    if (!info.contains(name_) || !info[name_].contains("cache_len_before")) return;
    const nlohmann::json& before = info[name_]["cache_len_before"];
    const nlohmann::json& after = info[name_]["cache_len_after"];
    std::vector<std::int64_t> expected;
    std::vector<std::int64_t> planned;
    for (std::size_t scale = 0; scale < before.size(); ++scale) {
      const int s = static_cast<int>(scale);
      for (std::size_t layer = 0; layer < before[scale].size(); ++layer) {
        const int l = static_cast<int>(layer);
        expected.push_back(before[scale][layer].get<std::int64_t>());
        expected.push_back(after[scale][layer].get<std::int64_t>());
        planned.push_back(plan_.before(s, l, 0) + plan_.geometry().map_tokens(s));
        planned.push_back(plan_.after(s, l, 0));
      }
    }
    report_.exact(name_ + " cache lengths", expected, planned);
  }

  // The plan selects where the fixture recorded a selection, and as many tokens.
  bool check_events() {
    std::map<Event, std::int64_t> planned;
    for (int scale = 0; scale < plan_.geometry().scale_count(); ++scale) {
      for (int layer = 0; layer < plan_.geometry().layers; ++layer) {
        if (!plan_.keeps_all(scale, layer)) planned[{scale, layer}] = plan_.after(scale, layer, 0);
      }
    }
    std::map<Event, std::int64_t> recorded;
    for (const auto& [event, rows] : keeps_) recorded[event] = static_cast<std::int64_t>(rows.front().size());
    report_.verdict(name_ + " selections", planned == recorded,
                    fmt::format("{} layers select by the plan, {} in the fixture", planned.size(), recorded.size()));
    return planned == recorded;
  }

  engine::Drawn run(std::shared_ptr<const cache::Selector> selector, const engine::Observers& observers) {
    model_.request.policy = {"scalekv", budget_, std::move(selector)};
    model_.request.keep_last = true;
    return testing::draw(model_.backend, model_.request, observers);
  }

  // The engine as it is. Returns whether it kept what the fixture recorded, everywhere; if so, checks its logits.
  bool run_freely() {
    std::size_t rows = 0;
    bool same = true;
    std::vector<std::pair<int, Tensor>> logits;
    engine::Observers observers;
    observers.session.kept = [&](int scale, int layer, std::int64_t sequence, int head,
                                 std::span<const std::int32_t> kept) {
      const auto index = static_cast<std::size_t>(sequence * model_.backend.config().heads + head);
      const auto recorded = keeps_.find({scale, layer});
      ++rows;
      same = same && recorded != keeps_.end() && index < recorded->second.size() &&
             std::equal(kept.begin(), kept.end(), recorded->second[index].begin(), recorded->second[index].end());
    };
    observers.logits = [&](int scale, View<const float> value) {
      Tensor copy(DType::f32, value.shape(), MemoryKind::other);
      std::copy_n(value.data(), value.elements(), copy.view<float>().data());
      logits.emplace_back(scale, std::move(copy));
    };
    static_cast<void>(run(cache::make_reference_selector(options_), observers));
    if (!same) return false;
    report_.verdict(name_ + " run", true, fmt::format("keeps the same tokens in all {} selections by itself", rows));
    for (const auto& [scale, values] : logits) {
      compare_rows(fixture_, report_, model_, fmt::format("{}.logits.s{}", name_, scale), scale, values.view<float>());
    }
    return true;
  }

  // Keeps what the fixture recorded, and looks at every selection.
  void run_forced(bool check_logits) {
    std::vector<Event> recorded;
    for (const std::string& name : fixture_.names(name_ + ".upd_in_")) recorded.push_back(read_event(name));
    const auto selector = std::make_shared<const ReplaySelector>(cache::make_reference_selector(options_), options_,
                                                                 keeps_, std::move(recorded));
    engine::Observers observers;
    if (check_logits) {
      observers.logits = [&](int scale, View<const float> value) {
        compare_rows(fixture_, report_, model_, fmt::format("{}.logits.s{}", name_, scale), scale, value);
      };
    }
    const int before = threads();
    Runtime::current().set_threads(1);
    static_cast<void>(run(selector, observers));
    Runtime::current().set_threads(before);
    for (const auto& [event, selections] : selector->selections()) check_event(event, selections);
  }

  void check_event(Event event, const std::vector<Selection>& selections) {
    compare(event, "scores", selections, [](const Selection& s) { return s.scores; });
    compare(event, "upd_in_q", selections, [](const Selection& s) { return s.queries; });
    compare(event, "upd_in_k", selections, [](const Selection& s) { return s.keys; });
    compare(event, "upd_in_v", selections, [](const Selection& s) { return s.values; });
    const std::string window = event_name(name_, "window", event);
    if (fixture_.has(window)) {
      report_.exact(window, fixture_.integers(window).values, selections.front().window);
    }
    check_thresholds(event, selections);
    const std::string keep = event_name(name_, "keep", event);
    if (name_ == "skv_stable") {
      check_choice(keep, event, selections);
    } else {
      check_recorded(keep, event, selections);
    }
  }

  template <typename Values>
  void compare(Event event, const char* what, const std::vector<Selection>& selections, const Values& values) {
    const std::string name = event_name(name_, what, event);
    if (!fixture_.has(name)) return;
    std::vector<float> actual;
    for (const Selection& selection : selections) {
      const std::vector<float> mine = values(selection);
      actual.insert(actual.end(), mine.begin(), mine.end());
    }
    report_.compare(name, fixture_.numbers(name).values, actual);
  }

  static Threshold threshold_of(const Selection& selection) {
    return find_threshold(selection.pooled,
                          selection.facts.capacity - static_cast<std::int64_t>(selection.window.size()));
  }

  void check_thresholds(Event event, const std::vector<Selection>& selections) {
    std::vector<float> values;
    std::vector<float> gaps;
    std::vector<std::int64_t> ties;
    for (const Selection& selection : selections) {
      const Threshold threshold = threshold_of(selection);
      values.push_back(threshold.value);
      gaps.push_back(threshold.gap);
      ties.insert(ties.end(), {threshold.above, threshold.equal,
                               selection.facts.capacity - static_cast<std::int64_t>(selection.window.size())});
    }
    const std::string name = event_name(name_, "thr", event);
    if (fixture_.has(name)) report_.compare(name, fixture_.numbers(name).values, values);
    float largest = 0.0F;
    for (const float value : values) largest = std::isfinite(value) ? std::max(largest, std::abs(value)) : largest;
    check_gaps(event, gaps, ties, std::max(kTie, kNoise * largest));
  }

  // Gaps are differences of nearby scores, whose rounding noise they carry. Where they are small, the counts are
  // unsure, too.
  void check_gaps(Event event, const std::vector<float>& gaps, const std::vector<std::int64_t>& ties, float noise) {
    const std::string gap_name = event_name(name_, "gap", event);
    const std::string tie_name = event_name(name_, "tie", event);
    std::vector<float> stored(gaps.size(), 1.0F);
    if (fixture_.has(gap_name)) {
      stored = fixture_.numbers(gap_name).values;
      if (stored.size() == gaps.size()) {
        report_.compare(gap_name, stored, gaps, noise);
      } else {
        report_.verdict(gap_name, false, fmt::format("{} values expected, {} computed", stored.size(), gaps.size()));
        stored.assign(gaps.size(), 1.0F);
      }
    }
    if (!fixture_.has(tie_name)) return;
    const std::vector<std::int64_t> expected = fixture_.integers(tie_name).values;
    std::size_t differences = 0;
    std::size_t unsure = 0;
    for (std::size_t i = 0; i < std::min(expected.size(), ties.size()); ++i) {
      if (expected[i] == ties[i]) continue;
      ++(stored[i / 3] < kGap ? unsure : differences);
    }
    report_.verdict(
        tie_name, expected.size() == ties.size() && differences == 0,
        fmt::format("counts differ at {} places, at {} more where the gap is under 1e-4", differences, unsure));
  }

  // The engine's own choice, given the fixture's history.
  void check_choice(const std::string& name, Event event, const std::vector<Selection>& selections) {
    const std::string gap_name = event_name(name_, "gap", event);
    const std::vector<float> gaps = fixture_.has(gap_name) ? fixture_.numbers(gap_name).values : std::vector<float>();
    std::size_t differences = 0;
    std::size_t ties = 0;
    for (std::size_t row = 0; row < selections.size(); ++row) {
      const Selection& selection = selections[row];
      const std::vector<std::int32_t>& recorded = keeps_.at(event)[row];
      std::vector<std::int32_t> different;
      std::set_symmetric_difference(recorded.begin(), recorded.end(), selection.chosen.begin(), selection.chosen.end(),
                                    std::back_inserter(different));
      const float threshold = threshold_of(selection).value;
      const bool may_swap = row < gaps.size() && gaps[row] < kGap;
      for (const std::int32_t index : different) {
        const bool tie = may_swap && std::abs(selection.pooled[static_cast<std::size_t>(index)] - threshold) <= kTie;
        ++(tie ? ties : differences);
      }
    }
    if (differences > 0) ties_only_ = false;
    report_.verdict(name, differences == 0,
                    differences + ties == 0 ? fmt::format("identical ({} selections)", selections.size())
                                            : fmt::format("differs at {} places, of which {} are ties within 1e-5",
                                                          differences + ties, ties));
  }

  // The fixture's choice, whatever the order of equal scores: window, all above the threshold, the rest at it.
  void check_recorded(const std::string& name, Event event, const std::vector<Selection>& selections) {
    std::size_t wrong = 0;
    for (std::size_t row = 0; row < selections.size(); ++row) {
      const Selection& selection = selections[row];
      const float threshold = threshold_of(selection).value;
      std::vector<bool> kept(selection.pooled.size(), false);
      for (const std::int32_t index : keeps_.at(event)[row]) kept[static_cast<std::size_t>(index)] = true;
      for (const std::int64_t index : selection.window) wrong += kept[static_cast<std::size_t>(index)] ? 0U : 1U;
      for (std::size_t i = 0; i < kept.size(); ++i) {
        const float score = selection.pooled[i];
        const bool window =
            std::binary_search(selection.window.begin(), selection.window.end(), static_cast<std::int64_t>(i));
        if (!window && kept[i] != (score >= threshold) && std::abs(score - threshold) > kTie) ++wrong;
      }
    }
    report_.verdict(name, wrong == 0,
                    fmt::format("{} selections by threshold, {} places wrong (order of equals is the CPU's)",
                                selections.size(), wrong));
  }

  const Fixture& fixture_;
  std::string name_;
  ModelCase& model_;
  Report& report_;
  cache::WindowOptions options_;
  cache::Budget budget_;
  cache::KeepPlan plan_;
  ReplaySelector::Keeps keeps_;
  bool ties_only_ = true;
};

}  // namespace

void check_scalekv_runs(const Fixture& fixture, ModelCase& model, Report& report) {
  for (const char* name : {"skv_stable", "skv"}) {
    if (!fixture.names(std::string(name) + ".").empty()) RecordedRun(fixture, name, model, report).check();
  }
}

}  // namespace scalekv::golden
