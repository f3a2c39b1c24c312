// scalekv metrics: how far apart two folders of pictures are.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/metric_options.h"
#include "cli/options.h"
#include "study/feature_statistics.h"
#include "study/folder_metrics.h"

namespace scalekv::cli {
namespace {

struct MetricsOptions {
  MetricsCommandOptions common;
  std::filesystem::path a, b, write_statistics;
  bool per_picture = false;
  bool json = false;
};

bool is_statistics_file(const std::filesystem::path& path) { return path.extension() == ".npz"; }

study::StoredFeatures features_of(const std::filesystem::path& path, const study::MetricNetworks& networks,
                                  const MetricsOptions& options) {
  if (is_statistics_file(path)) return study::read_features(path);
  if (!networks.inception) {
    fail_usage("the features of {} need --inception-weights; docs/METRICS.md says where to get them", path.string());
  }
  study::FolderFeatures features =
      study::measure_folder(study::list_pictures(path), *networks.inception, options.common.metrics.kid,
                            show_progress(path.string(), options.common.quiet));
  return {features.accumulator.statistics(), std::move(features.list)};
}

// FID, and KID where it is asked for, of two sides of which one at least is a statistics file.
FolderComparison compare_features(const MetricsOptions& options, const study::MetricNetworks& networks) {
  const bool kid = options.common.metrics.kid;
  study::StoredFeatures a, b;
  // Files first: what they lack is said before a folder is measured.
  for (const bool file : {true, false}) {
    for (const auto& [side, path] : {std::pair(&a, options.a), std::pair(&b, options.b)}) {
      if (is_statistics_file(path) != file) continue;
      *side = features_of(path, networks, options);
      if (!kid || side->list.size > 0) continue;
      fail_usage(
          "KID compares the features of single pictures, and {} holds their mean and covariance only; write it again "
          "with --write-statistics --kid, or leave out --kid",
          path.string());
    }
  }
  FolderComparison comparison;
  comparison.fid = study::frechet_distance(a.statistics, b.statistics);
  if (kid) comparison.kid = study::kernel_distance(a.list, b.list);
  const auto [fewer, more] = std::minmax(a.statistics.pictures, b.statistics.pictures);
  comparison.remarks = study::remarks_on_few(fewer > 0 ? fewer : more, kid);
  for (const std::string& remark : comparison.remarks) note(remark, options.common.quiet);
  return comparison;
}

// What compares pictures has nothing to act on where there are only features.
void check_features_only(const MetricsOptions& options, const std::string& why) {
  const auto refuse = [&](bool given, const char* option) {
    if (given) fail_usage("{} compares pictures, and {}; leave it out", option, why);
  };
  refuse(options.per_picture, "--per-image");
  refuse(options.common.metrics.photographs, "--is-gt");
  refuse(!options.common.lpips_weights.empty(), "--lpips-weights");
}

void write_statistics(const MetricsOptions& options, const study::MetricNetworks& networks) {
  const study::StoredFeatures features = features_of(options.a, networks, options);
  study::write_features(options.write_statistics, features.statistics, features.list);
  if (!options.json) return;
  const nlohmann::ordered_json report = {{"file", options.write_statistics.string()},
                                         {"pictures", features.statistics.pictures}};
  fmt::print("{}\n", report.dump(2));
}

void print_row(const char* name, double value, const char* remark) {
  fmt::print("{:<6} {:>12.6f}{}\n", name, value, remark);
}

void print_distances(const FolderComparison& comparison) {
  if (comparison.fid) print_row("FID", *comparison.fid, "");
  if (comparison.kid) print_row("KID", *comparison.kid, "");
}

void print_comparison(const FolderComparison& comparison, bool per_picture) {
  const study::MetricMeans& means = comparison.means;
  for (const study::PairMetrics& pair : comparison.pairs) {
    if (!per_picture) break;
    fmt::print("{}: PSNR {:.6f} dB, SSIM {:.6f}{}\n", pair.name, pair.psnr, pair.ssim,
               pair.lpips ? fmt::format(", LPIPS {:.6f}", *pair.lpips) : "");
  }
  fmt::print("{} pairs, {} of them identical\n", means.pairs, means.identical);
  print_row("PSNR", means.psnr,
            means.identical == 0             ? " dB"
            : means.identical == means.pairs ? " dB (no pair differs)"
                                             : " dB (of the pairs that differ)");
  print_row("SSIM", means.ssim, "");
  if (means.lpips) print_row("LPIPS", *means.lpips, "");
  print_distances(comparison);
}

void metrics(const MetricsOptions& options) {
  const bool one = options.b.empty();
  if (one && options.write_statistics.empty()) {
    fail_usage("a second folder is missing; only --write-statistics is content with one");
  }
  if (!one && !options.write_statistics.empty()) fail_usage("--write-statistics is for one folder, without a second");
  if (!options.write_statistics.empty()) check_writable(options.write_statistics);
  const bool stored = is_statistics_file(options.a) || is_statistics_file(options.b);
  if (one) check_features_only(options, "--write-statistics has one folder");
  if (!one && stored) check_features_only(options, "a statistics file holds none");
  const bool all_stored = is_statistics_file(options.a) && (one || is_statistics_file(options.b));
  const study::MetricNetworks networks = options.common.open_networks(all_stored);
  if (one) {
    write_statistics(options, networks);
    return;
  }
  const bool kid = options.common.metrics.kid;
  if (stored) {
    const FolderComparison comparison = compare_features(options, networks);
    nlohmann::ordered_json json;
    add_distances(comparison, kid, json);
    options.json ? fmt::print("{}\n", json.dump(2)) : print_distances(comparison);
    return;
  }
  std::optional<study::FolderFeatures> first;
  const FolderComparison comparison = compare_folders(options.a, options.b, networks, options.common, first);
  if (options.json) {
    fmt::print("{}\n", comparison_json(comparison, kid, options.per_picture).dump(2));
  } else {
    print_comparison(comparison, options.per_picture);
  }
}

}  // namespace

void add_metrics_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("metrics", "compare two folders of pictures: PSNR, SSIM, LPIPS, FID, KID");
  auto options = std::make_shared<MetricsOptions>();
  command->add_option("a", options->a, "folder of pictures (the full cache's), or statistics (.npz) for FID and KID")
      ->type_name("PATH")
      ->required();
  command->add_option("b", options->b, "folder of pictures with the same names, or statistics (.npz)")
      ->type_name("PATH");
  options->common.add_to(*command);
  command
      ->add_option("--write-statistics", options->write_statistics,
                   "write mean and covariance of folder a's features (.npz), which may stand for it later; with --kid "
                   "the features too")
      ->type_name("FILE");
  command->add_flag("--per-image", options->per_picture, "the values of every pair too");
  command->add_flag("--json", options->json, "the result as JSON on standard output");
  command->footer("Example: scalekv metrics full scalekv-10 --json");
  command->callback([options] { metrics(*options); });
}

}  // namespace scalekv::cli
