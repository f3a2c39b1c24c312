// ScaleKV's selector in its two forms: a window of the current map observes the cache and keeps what it attends to.
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "cache/selector.h"

namespace scalekv::cache {
namespace {

// The window stays and does not pool into the others; the best of these fill the capacity.
ScoreRule window_rule(ScoreRule::Score score, const WindowOptions& options) {
  return {.score = score, .pool = options.pool, .average = options.average, .pooled_always = ScoreRule::Always::masked};
}

class ReferenceSelector final : public Selector {
 public:
  explicit ReferenceSelector(const WindowOptions& options) : options_(options) {}

  std::optional<ScoreRule> rule(const SelectionFacts&) const override {
    return window_rule(ScoreRule::Score::logits, options_);
  }
  QueryForm query_form() const override { return QueryForm::projected; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    std::vector<std::int64_t> positions;
    for (const std::int64_t index : always(facts)) {
      positions.push_back(std::clamp<std::int64_t>(index - facts.history, 0, facts.map.tokens() - 1));
    }
    return positions;
  }

  std::vector<std::int64_t> always(const SelectionFacts& facts) const override {
    return reference_window(facts.scale, facts.tokens(), fitting_window(options_.window, facts.capacity));
  }

 private:
  WindowOptions options_;
};

class AttentionSelector final : public Selector {
 public:
  explicit AttentionSelector(const WindowOptions& options) : options_(options) {}

  std::optional<ScoreRule> rule(const SelectionFacts&) const override {
    return window_rule(ScoreRule::Score::softmax, options_);
  }
  QueryForm query_form() const override { return QueryForm::attention; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return patch_window(facts.map, fitting_window(options_.window, facts.capacity));
  }

  std::vector<std::int64_t> always(const SelectionFacts& facts) const override {
    return in_cache(observed_queries(facts), facts);
  }

 private:
  WindowOptions options_;
};

}  // namespace

std::unique_ptr<const Selector> make_reference_selector(const WindowOptions& options) {
  return std::make_unique<ReferenceSelector>(options);
}

std::unique_ptr<const Selector> make_attention_selector(const WindowOptions& options) {
  return std::make_unique<AttentionSelector>(options);
}

std::string selector_name(const std::string& name) {
  if (name.empty()) return kWindowSelectors[0];
  if (std::find(kWindowSelectors.begin(), kWindowSelectors.end(), name) != kWindowSelectors.end()) return name;
  fail_usage("there is no selector '{}'; choose {}", name, fmt::join(kWindowSelectors, " or "));
}

std::unique_ptr<const Selector> make_window_selector(const std::string& name) {
  return selector_name(name) == kWindowSelectors[0] ? make_reference_selector() : make_attention_selector();
}

}  // namespace scalekv::cache
