// The results of an evaluation as rows: one for each policy and budget.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "scalekv/evaluate.h"
#include "study/evaluation.h"

namespace scalekv::study {

// The samples of one setting, at least one, as a row.
EvaluationRow make_row(const PolicySetting& setting, const SettingBytes& bytes, const std::vector<Sample>& samples);

// A list of objects: policy, budget, seed (of the first picture), images, kv_bytes_peak, kv_share, kv_paper_mb, then
// psnr, ssim, kl, bit_agreement, shapes_score (where there is one) and seconds, each followed by NAME_ci: [low, high];
// scale_kl, scale_bit_agreement.
std::string to_json(const std::vector<EvaluationRow>& rows, std::uint64_t seed);
// The same without the lists of scales; intervals as two columns NAME_low, NAME_high.
std::string to_csv(const std::vector<EvaluationRow>& rows);
// For people: one table a budget, the best policy first (by kl).
std::string to_markdown(const std::vector<EvaluationRow>& rows);

// The mean with the 2.5% and 97.5% quantiles of the means of 1,000 resamples (percentile bootstrap, Efron 1979). The
// resamples are the same in every run. Values: at least one.
Estimate bootstrap_mean(std::span<const double> values);

}  // namespace scalekv::study
