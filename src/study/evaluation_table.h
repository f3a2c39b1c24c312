// The results of an evaluation: rows, one for each policy and budget, and what shows them.
#pragma once

#include <filesystem>
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

struct PagePicture {
  std::string caption;
  std::filesystem::path file;  // PNG
};

// Pictures beside each other: one prompt under several settings, the full cache's first.
struct PageStrip {
  std::string title;
  std::vector<PagePicture> pictures;
};

// One HTML page that needs no other file: curves of every measure over the bytes, the tables, strips of pictures and
// sheets of kept tokens. Throws Error where a picture cannot be read.
std::string evaluation_page(const std::string& model, const std::vector<EvaluationRow>& rows,
                            const std::vector<PageStrip>& strips, const PageStrip& token_sheets);

// KL over KV bytes, a line a policy: the page's first curve, for documents.
std::string divergence_curves(const std::vector<EvaluationRow>& rows);

}  // namespace scalekv::study
