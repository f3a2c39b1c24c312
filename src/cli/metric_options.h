// What `metrics` and `report` have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "study/folder_metrics.h"

namespace scalekv::cli {

struct MetricsCommandOptions {
  std::vector<std::filesystem::path> lpips_weights;
  std::filesystem::path inception_weights;
  study::MetricOptions metrics;
  int threads = 0;
  bool quiet = false;

  void add_to(CLI::App& command);
  // Sets the threads and opens the networks; says on standard error what is left out for want of weights, unless
  // nothing but stored features is compared.
  study::MetricNetworks open_networks(bool features_are_stored = false) const;
};

// Shows how far the work is, and stops it after Ctrl-C.
study::MetricProgress show_progress(const std::string& title, bool quiet);

// What was measured of two folders. FID and KID where Inception was at hand.
struct FolderComparison {
  std::vector<study::PairMetrics> pairs;
  study::MetricMeans means;
  std::optional<double> fid;
  std::optional<double> kid;
  std::string why_not;  // there are no FID and KID though Inception is at hand
  std::vector<std::string> remarks;
};

// `first` keeps what was gathered of folder a, and spares it the next time.
FolderComparison compare_folders(const std::filesystem::path& a, const std::filesystem::path& b,
                                 const study::MetricNetworks& networks, const MetricsCommandOptions& options,
                                 std::optional<study::FolderFeatures>& first);

// Infinity as "inf", which JSON has no number for.
nlohmann::ordered_json json_number(double value);

// Adds "fid", "kid" (null with "fid_missing", "kid_missing": why) and "warnings" to a report.
void add_distances(const FolderComparison& comparison, bool kid, nlohmann::ordered_json& json);

// {"pairs": 64, "identical": 0, "psnr": 22.6, ...}; infinite numbers as "inf", what was not measured is left out.
nlohmann::ordered_json comparison_json(const FolderComparison& comparison, bool kid, bool per_picture);

}  // namespace scalekv::cli
