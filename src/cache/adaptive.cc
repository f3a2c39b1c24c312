// Adaptive: one byte budget a scale, shared among all layers and heads so that the last token given to each saves the
// same attention. The curves come from a calibration; nothing is set by hand.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "cache/calibrated.h"

namespace scalekv::cache {
namespace {

constexpr std::int64_t kObserved = 64;

// What evenly spread queries of the current map attend to, weighted with the size of what it says.
class SpreadSelector final : public Selector {
 public:
  explicit SpreadSelector(std::int64_t head_size) : head_size_(head_size) {}

  QueryForm query_form() const override { return QueryForm::attention; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return spread_window(facts.map.tokens(), kObserved);
  }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    std::vector<float> scores = observed_attention(input);
    for (std::int64_t j = 0; j < facts.tokens(); ++j) {
      const bool old = j < facts.history;
      scores[static_cast<std::size_t>(j)] *=
          static_cast<float>(value_norm(old ? input.history : input.map, old ? j : j - facts.history, head_size_));
    }
    keep_always_and_best(std::move(scores), {}, kept);
  }

 private:
  std::int64_t head_size_;
};

}  // namespace

LossCurve lower_hull(const std::vector<std::int64_t>& tokens, const std::vector<double>& loss) {
  LossCurve hull;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    while (hull.tokens.size() >= 2) {
      const std::size_t last = hull.tokens.size() - 1;
      // Drop the last point if it lies on or above the line from the one before it to the new one.
      const double run = static_cast<double>(hull.tokens[last] - hull.tokens[last - 1]);
      const double new_run = static_cast<double>(tokens[i] - hull.tokens[last - 1]);
      if ((hull.loss[last] - hull.loss[last - 1]) * new_run < (loss[i] - hull.loss[last - 1]) * run) break;
      hull.tokens.pop_back();
      hull.loss.pop_back();
    }
    hull.tokens.push_back(tokens[i]);
    hull.loss.push_back(loss[i]);
  }
  return hull;
}

std::vector<std::int64_t> equalise_marginal_loss(const std::vector<LossCurve>& curves,
                                                 const std::vector<std::int64_t>& limits, std::int64_t total) {
  struct Step {
    std::size_t curve;
    std::int64_t end;
    double fall;  // of the loss, per token
  };
  std::vector<Step> steps;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    const LossCurve& curve = curves[c];
    for (std::size_t i = 1; i < curve.tokens.size(); ++i) {
      const auto run = static_cast<double>(curve.tokens[i] - curve.tokens[i - 1]);
      steps.push_back({c, curve.tokens[i], (curve.loss[i - 1] - curve.loss[i]) / run});
    }
  }
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.fall > b.fall; });
  std::vector<std::int64_t> given(curves.size(), 1);
  std::int64_t left = total - static_cast<std::int64_t>(curves.size());
  for (const Step& step : steps) {
    const std::int64_t wanted = std::min(step.end, limits[step.curve]) - given[step.curve];
    const std::int64_t granted = std::clamp<std::int64_t>(wanted, 0, std::max<std::int64_t>(0, left));
    given[step.curve] += granted;
    left -= granted;
  }
  return given;
}

Policy make_adaptive(const PolicyRequest& request, const CacheGeometry& geometry) {
  const AttentionStatistics& statistics = request.calibration->statistics;
  const std::int64_t mean = mean_tokens(request.share, geometry);
  const std::int64_t heads = std::int64_t{geometry.layers} * geometry.heads;
  std::map<int, std::vector<std::int64_t>> rows;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const std::int64_t history = geometry.tokens_before(number - 1);
    if (history <= mean) continue;
    std::vector<LossCurve> curves;
    std::vector<std::int64_t> limits;
    for (int head = 0; head < heads; ++head) {
      // The curve was measured at this scale's own queries; its grid may be that of another aspect ratio.
      const HeadStatistics means = statistics.at(number - 1, head / geometry.heads, head % geometry.heads);
      std::vector<std::int64_t> grid = kept_grid(statistics.geometry().tokens_before(number - 1));
      const double stretch = static_cast<double>(history) / static_cast<double>(grid.back());
      for (std::int64_t& tokens : grid) tokens = std::llround(static_cast<double>(tokens) * stretch);
      curves.push_back(lower_hull(grid, means.lost));
      const bool first = rows.empty();
      limits.push_back(first ? history
                             : rows.rbegin()->second[static_cast<std::size_t>(head)] + geometry.map_tokens(number - 2));
    }
    rows.emplace(number, equalise_marginal_loss(curves, limits, heads * mean));
  }
  return {request.name, Budget(geometry.layers, geometry.heads, mean, std::move(rows)),
          std::make_shared<SpreadSelector>(geometry.head_size)};
}

}  // namespace scalekv::cache
