// Several folders against one: a table, and the best, median and worst pair of each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "study/folder_metrics.h"

namespace scalekv::study {

// What `scalekv sample` wrote down beside a folder of pictures (FOLDER.run).
struct SampleRecord {
  std::string settings;           // "scalekv, 10%"; empty where nobody wrote them down
  std::optional<double> seconds;  // a picture, on average
  // Keys and values at their peak, the current map included, and those of a full cache: of the largest picture.
  std::optional<std::int64_t> kv_bytes_peak;
  std::optional<std::int64_t> kv_bytes_peak_full;
};

// Empty where there is no such record. Throws Error where there is one that cannot be understood.
SampleRecord read_sample_record(const std::filesystem::path& folder);

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
