// What `metrics` and `report` have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/folder_metrics.h"

namespace scalekv::cli {

struct MetricsCommandOptions {
  std::vector<std::filesystem::path> lpips_weights;
  std::filesystem::path inception_weights;
  eval::MetricOptions metrics;
  int threads = 0;
  bool quiet = false;

  void add_to(CLI::App& command);
  // Sets the threads and opens the networks; says on standard error what is left out for want of weights.
  eval::MetricNetworks open_networks() const;
};

// Shows how far the work is, and stops it after Ctrl-C.
eval::MetricProgress show_progress(const std::string& title, bool quiet);

// What was measured of two folders. FID and KID where Inception was at hand.
struct FolderComparison {
  std::vector<eval::PairMetrics> pairs;
  eval::MetricMeans means;
  std::optional<double> fid;
  std::optional<double> kid;
};

// `first` keeps what was gathered of folder a, and spares it the next time.
FolderComparison compare_folders(const std::filesystem::path& a, const std::filesystem::path& b,
                                 const eval::MetricNetworks& networks, const MetricsCommandOptions& options,
                                 std::optional<eval::FolderFeatures>& first);

// Infinity as "inf", which JSON has no number for.
nlohmann::ordered_json json_number(double value);

// {"pairs": 64, "identical": 0, "psnr": 22.6, ...}; infinite numbers as "inf", what was not measured is left out.
nlohmann::ordered_json comparison_json(const FolderComparison& comparison, bool per_picture);

}  // namespace scalekv::cli
