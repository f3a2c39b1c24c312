// HACK (arXiv 2504.09261, with the scores of HACK++, arXiv 2606.08302): contextual heads, where every query looks at
// the same few tokens, and structural heads, where a query looks at its own place. Told apart offline by how much a
// token's attention varies over the queries: the more varied half of all heads is structural. Contextual heads need few
// tokens and get half the mean, structural ones one and a half (the papers give no rule for the split). Tokens:
// contextual heads by the mean attention of 16 evenly spread queries, max-pooled over 5; structural heads by an offline
// prior, the attention that a token of its source scale receives, times |V|.
#include <algorithm>
#include <numeric>

#include "cache/policy.h"

namespace scalekv::cache {
namespace {

constexpr int kObserved = 16;
constexpr int kPooled = 5;

// Which heads ([layer * heads + head]) are structural: the half with the larger dispersion, averaged over scales.
std::vector<bool> structural_heads(const AttentionStatistics& statistics, const CacheGeometry& geometry) {
  std::vector<double> dispersion;
  for (int head = 0; head < geometry.layers * geometry.heads; ++head) {
    double sum = 0.0;
    for (int scale = 1; scale < geometry.scale_count(); ++scale) {
      sum += statistics.at(scale, head / geometry.heads, head % geometry.heads).dispersion;
    }
    dispersion.push_back(sum);
  }
  std::vector<std::size_t> order(dispersion.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return dispersion[a] > dispersion[b]; });
  std::vector<bool> structural(dispersion.size(), false);
  for (std::size_t i = 0; i < order.size() / 2; ++i) structural[order[i]] = true;
  return structural;
}

// prior[scale][head][source]: attention that one token of the source scale receives, averaged over the scales after
// `scale`.
using Prior = std::vector<std::vector<std::vector<double>>>;

Prior scale_prior(const AttentionStatistics& statistics, const CacheGeometry& geometry) {
  Prior prior(static_cast<std::size_t>(geometry.scale_count()));
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    for (int head = 0; head < geometry.layers * geometry.heads; ++head) {
      std::vector<double> mine(static_cast<std::size_t>(scale) + 1, 0.0);
      for (int later = scale + 1; later < geometry.scale_count(); ++later) {
        const HeadStatistics means = statistics.at(later, head / geometry.heads, head % geometry.heads);
        for (int source = 0; source <= scale; ++source) {
          mine[static_cast<std::size_t>(source)] +=
              means.received[static_cast<std::size_t>(source)] / static_cast<double>(geometry.map_tokens(source));
        }
      }
      prior[static_cast<std::size_t>(scale)].push_back(std::move(mine));
    }
  }
  return prior;
}

class HeadwiseSelector final : public Selector {
 public:
  HeadwiseSelector(CacheGeometry geometry, std::vector<bool> structural, Prior prior)
      : geometry_(std::move(geometry)), structural_(std::move(structural)), prior_(std::move(prior)) {}

  std::optional<ScoreRule> rule(const SelectionFacts& facts) const override {
    if (structural_[index(facts)]) return ScoreRule{.score = ScoreRule::Score::value_length, .weighted = true};
    return ScoreRule{.score = ScoreRule::Score::softmax, .pool = kPooled};
  }
  QueryForm query_form() const override { return QueryForm::attention; }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    if (structural_[index(facts)]) return {};
    return spread_window(facts.map.tokens(), kObserved);
  }

  std::vector<double> weights(const SelectionFacts& facts) const override {
    const std::vector<double>& prior = prior_[static_cast<std::size_t>(facts.scale)][index(facts)];
    std::vector<double> weights;
    for (int source = 0; source <= facts.scale; ++source) {
      weights.insert(weights.end(), static_cast<std::size_t>(geometry_.map_tokens(source)),
                     prior[static_cast<std::size_t>(source)]);
    }
    return weights;
  }

 private:
  std::size_t index(const SelectionFacts& facts) const {
    return static_cast<std::size_t>(facts.layer * geometry_.heads + facts.head);
  }

  CacheGeometry geometry_;
  std::vector<bool> structural_;
  Prior prior_;
};

}  // namespace

Policy make_hack(const PolicyRequest& request, const CacheGeometry& geometry) {
  const AttentionStatistics& statistics = request.calibration->statistics;
  const std::int64_t mean = mean_tokens(request.share, geometry);
  const std::vector<bool> structural = structural_heads(statistics, geometry);
  const auto structural_count = std::count(structural.begin(), structural.end(), true);
  const auto contextual_count = static_cast<std::int64_t>(structural.size()) - structural_count;
  std::map<int, std::vector<std::int64_t>> rows;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const std::int64_t history = geometry.tokens_before(number - 1);
    if (history <= mean) continue;
    const std::int64_t more = std::min(history, mean + mean / 2);
    const std::int64_t less = std::max<std::int64_t>(
        1, mean - (more - mean) * structural_count / std::max<std::int64_t>(1, contextual_count));
    for (const bool is_structural : structural) rows[number].push_back(is_structural ? more : less);
  }
  return {request.name, Budget(geometry.layers, geometry.heads, mean, std::move(rows)),
          std::make_shared<HeadwiseSelector>(geometry, structural, scale_prior(statistics, geometry))};
}

}  // namespace scalekv::cache
