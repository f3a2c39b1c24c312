// Policies that stand on a calibration of the model.
#pragma once

#include "cache/policy.h"

namespace scalekv::cache {

// Whole source scales per head, ranked offline (HeatKV, arXiv 2605.14877).
Policy make_heatkv(const PolicyRequest& request, const CacheGeometry& geometry);
// Contextual and structural heads (HACK, arXiv 2504.09261, with the scores of HACK++, arXiv 2606.08302).
Policy make_hack(const PolicyRequest& request, const CacheGeometry& geometry);
// Our own: equal marginal loss over scales, layers and heads.
Policy make_adaptive(const PolicyRequest& request, const CacheGeometry& geometry);

// HeatKV's choice: kept[row][layer * heads + head] is a bit set of the source scales that stay when scale `row` (from
// 1) starts. What is dropped in a row stays dropped in later ones.
std::map<int, std::vector<std::uint64_t>> choose_blocks(const AttentionStatistics& statistics,
                                                        const CacheGeometry& geometry, std::int64_t mean);

// A loss that falls with the tokens it is given: slope[i] per token from tokens[i - 1] to tokens[i] (slope[0] is
// unused). Convex: the lower hull of what was measured.
struct LossCurve {
  std::vector<std::int64_t> tokens;
  std::vector<double> loss;
};
// The lower convex hull of (tokens, loss) points with ascending tokens.
LossCurve lower_hull(const std::vector<std::int64_t>& tokens, const std::vector<double>& loss);
// Shares `total` tokens among curves so that the sum of losses is least: steepest falls first, equal ones in order.
// Each gets at least 1 and at most limit[i].
std::vector<std::int64_t> equalise_marginal_loss(const std::vector<LossCurve>& curves,
                                                 const std::vector<std::int64_t>& limits, std::int64_t total);

}  // namespace scalekv::cache
