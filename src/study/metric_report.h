// Several folders against one: a table, and the best, median and worst pair of each.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "study/folder_metrics.h"
#include "study/sample_record.h"

namespace scalekv::study {

struct ReportPair {
  std::string rank;  // "best", "median", "worst"
  PicturePair files;
  double psnr = 0.0;
};

struct ReportRow {
  std::string folder;
  SampleRecord record;
  MetricMeans means;
  std::optional<double> fid;
  std::optional<double> kid;
  std::vector<std::string> remarks;  // sentences on these numbers
  std::vector<ReportPair> strip;
};

// The best, the median and the worst pair by PSNR; fewer where there are fewer pairs.
std::vector<ReportPair> pick_strip(const std::vector<PairMetrics>& metrics, const std::vector<PicturePair>& pairs);

// A table with a column for every metric that some row has; `full` names the folder that all are compared with. The
// addresses of pictures are relative to `place`, the folder that the text will lie in.
std::string markdown_report(const std::string& full, const std::vector<ReportRow>& rows,
                            const std::filesystem::path& place);
// One page that needs no other file. Throws Error where a picture cannot be read.
std::string html_report(const std::string& full, const std::vector<ReportRow>& rows);

}  // namespace scalekv::study
