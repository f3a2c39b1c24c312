// Several folders against one: a table, and the best, median and worst pair of each.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/folder_metrics.h"

namespace scalekv::eval {

struct ReportPair {
  std::string rank;  // "best", "median", "worst"
  PicturePair files;
  double psnr = 0.0;
};

struct ReportRow {
  std::string folder;
  std::string settings;  // "scalekv, 10%"; empty where nobody wrote them down
  MetricMeans means;
  std::optional<double> fid;
  std::optional<double> kid;
  std::vector<ReportPair> strip;
};

// The best, the median and the worst pair by PSNR; fewer where there are fewer pairs.
std::vector<ReportPair> pick_strip(const std::vector<PairMetrics>& metrics, const std::vector<PicturePair>& pairs);

// What `scalekv sample` wrote down beside a folder: "policy, budget"; empty where there is no such file.
// Throws Error where there is one that cannot be understood.
std::string sample_settings(const std::filesystem::path& folder);

// A table with a column for every metric that some row has; `full` names the folder that all are compared with. Links
// to pictures are relative to `place`, the folder that the text will lie in.
std::string markdown_report(const std::string& full, const std::vector<ReportRow>& rows,
                            const std::filesystem::path& place);
// One page that needs no other file. Throws Error where a picture cannot be read.
std::string html_report(const std::string& full, const std::vector<ReportRow>& rows);

}  // namespace scalekv::eval
