#include "cache/adaptive_selector.h"

#include <algorithm>

#include "cache/cache_rows.h"

namespace scalekv::cache {
namespace {

// The mean over all tokens that are or were there.
std::vector<double> mean_value(const SelectionFacts& facts, const SelectionInput& input, const CacheRows& rows,
                               std::int64_t size) {
  std::vector<float> value(static_cast<std::size_t>(size));
  std::vector<double> mean(value.size(), 0.0);
  double count = 0.0;
  for (std::int64_t token = 0; token < facts.tokens(); ++token) {
    const double weight = input.stands_for(token);
    rows.value(token, value.data());
    for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += weight * double{value[d]};
    count += weight;
  }
  for (double& sum : mean) sum /= count;
  return mean;
}

class AdaptiveSelector final : public Selector {
 public:
  AdaptiveSelector(CacheGeometry geometry, std::shared_ptr<const Calibration> calibration, bool folds)
      : geometry_(std::move(geometry)),
        calibration_(std::move(calibration)),
        regions_(calibration_->statistics.geometry(), geometry_),
        folds_(folds) {}

  QueryForm query_form() const override { return QueryForm::none; }
  std::vector<std::int64_t> observed_queries(const SelectionFacts&) const override { return {}; }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    std::vector<std::int64_t> always;
    if (!folds_) always.push_back(0);
    if (input.folded.index >= 0) always.push_back(input.folded.index);
    keep_always_and_best(scores(facts, input), always, kept);
  }

  std::int32_t fold_slot(const SelectionFacts& facts, const SelectionInput& input,
                         std::span<const std::int32_t> kept) const override {
    if (!folds_) return -1;
    if (input.folded.index >= 0) return input.folded.index;
    const std::vector<float> mine = scores(facts, input);
    const auto score = [&](std::int32_t token) { return mine[static_cast<std::size_t>(token)]; };
    return *std::min_element(kept.begin(), kept.end(),
                             [&](std::int32_t a, std::int32_t b) { return score(a) < score(b); });
  }

 private:
  std::vector<float> scores(const SelectionFacts& facts, const SelectionInput& input) const {
    const std::vector<double> harm = harm_of_removal(
        calibration_->statistics, facts.layer * geometry_.heads + facts.head, facts.scale + 1, geometry_.scale_count());
    const CacheRows rows(input, geometry_.head_size);
    const std::vector<double> mean = mean_value(facts, input, rows, geometry_.head_size);
    std::vector<float> value(mean.size());
    std::vector<float> scores;
    for (std::int64_t token = 0; token < facts.tokens(); ++token) {
      double distance = 0.0;
      rows.value(token, value.data());
      for (std::size_t d = 0; d < mean.size(); ++d) distance += (value[d] - mean[d]) * (value[d] - mean[d]);
      const std::size_t region = regions_.of(pyramid_position(geometry_, facts, input, token));
      scores.push_back(static_cast<float>(harm[region] * distance));
    }
    return scores;
  }

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
