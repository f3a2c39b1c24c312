#include "cache/adaptive_selector.h"

namespace scalekv::cache {
namespace {

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

std::unique_ptr<const Selector> make_adaptive_selector(const CacheGeometry& geometry,
                                                       std::shared_ptr<const Calibration> calibration, bool folds) {
  return std::make_unique<AdaptiveSelector>(geometry, std::move(calibration), folds);
}

}  // namespace scalekv::cache
