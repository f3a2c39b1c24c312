#include "cache/adaptive.h"

#include <algorithm>

#include "cache/regions.h"

namespace scalekv::cache {
namespace {

// A region of the history in one head.
struct Part {
  int head = 0;  // layer * heads + head
  std::size_t region = 0;
  double harm = 0.0;  // of removing one of its tokens
};

// Every region of the history that scale index `first` finds, most harmful to lose first.
std::vector<Part> rank_parts(const AttentionStatistics& statistics, int first, int scales) {
  const CacheGeometry& geometry = statistics.geometry();
  std::vector<Part> parts;
  for (int head = 0; head < geometry.layers * geometry.heads; ++head) {
    const std::vector<double> harm = harm_of_removal(statistics, head, first, scales);
    for (std::size_t region = 0; region < harm.size(); ++region) parts.push_back({head, region, harm[region]});
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.harm > b.harm; });
  return parts;
}

class AdaptiveSelector final : public Selector {
 public:
  AdaptiveSelector(CacheGeometry geometry, std::shared_ptr<const Calibration> calibration, bool folds)
      : geometry_(std::move(geometry)),
        calibration_(std::move(calibration)),
        regions_(calibration_->statistics.geometry(), geometry_),
        folds_(folds) {}

  std::optional<ScoreRule> rule(const SelectionFacts&) const override {
    return ScoreRule{.score = ScoreRule::Score::value_distance, .weighted = true, .folds = folds_};
  }

  std::vector<std::int64_t> always(const SelectionFacts&) const override {
    return folds_ ? std::vector<std::int64_t>() : std::vector<std::int64_t>{0};
  }

  std::vector<double> weights(const SelectionFacts& facts) const override {
    const std::vector<double> harm = harm_of_removal(
        calibration_->statistics, facts.layer * geometry_.heads + facts.head, facts.scale + 1, geometry_.scale_count());
    std::vector<double> weights;
    for (std::int64_t token = 0; token < geometry_.tokens_before(facts.scale + 1); ++token) {
      weights.push_back(harm[regions_.of(token)]);
    }
    return weights;
  }

 private:
  CacheGeometry geometry_;
  std::shared_ptr<const Calibration> calibration_;
  CalibratedRegions regions_;
  bool folds_;
};

}  // namespace

bool folds(std::int64_t mean) { return mean > 1; }

TokenPlan plan_tokens(const AttentionStatistics& statistics, const CacheGeometry& geometry, std::int64_t mean) {
  const CalibratedRegions regions(statistics.geometry(), geometry);
  const auto heads = static_cast<std::size_t>(geometry.layers * geometry.heads);
  TokenPlan plan;
  std::vector<std::vector<bool>> alive(heads);
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const auto history = static_cast<std::size_t>(geometry.tokens_before(number - 1));
    for (std::vector<bool>& tokens : alive) tokens.resize(history, true);  // the last map has just come
    if (static_cast<std::int64_t>(history) <= mean) continue;
    std::vector<std::vector<bool>> kept(heads, std::vector<bool>(history, false));
    // One token of every head is the folded one, or the first.
    if (!folds(mean)) {
      for (std::vector<bool>& tokens : kept) tokens[0] = true;
    }
    std::int64_t left = static_cast<std::int64_t>(heads) * (mean - 1);
    for (const Part& part : rank_parts(statistics, number - 1, geometry.scale_count())) {
      if (left <= 0) break;
      std::vector<bool>& mine = kept[static_cast<std::size_t>(part.head)];
      for (const std::int64_t token : regions.tokens(part.region)) {
        const auto at = static_cast<std::size_t>(token);
        if (left <= 0 || !alive[static_cast<std::size_t>(part.head)][at]) continue;
        mine[at] = true;
        --left;
      }
    }
    alive = kept;
    plan.emplace(number, std::move(kept));
  }
  return plan;
}

std::unique_ptr<const Selector> make_adaptive_selector(const CacheGeometry& geometry,
                                                       std::shared_ptr<const Calibration> calibration, bool folds) {
  return std::make_unique<AdaptiveSelector>(geometry, std::move(calibration), folds);
}

Policy make_adaptive(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  Policy policy = plan_policy(request.name, geometry, mean,
                              plan_tokens(request.calibration->statistics, geometry, mean), folds(mean));
  if (policy.plan) policy.selector = make_adaptive_selector(geometry, request.calibration, folds(mean));
  return policy;
}

}  // namespace scalekv::cache
