// scalekv metrics: how far apart two folders of pictures are.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/metric_options.h"
#include "cli/options.h"
#include "core/error.h"
#include "eval/statistics_file.h"

namespace scalekv::cli {
namespace {

struct MetricsOptions {
  MetricsCommandOptions common;
  std::filesystem::path a, b, write_statistics;
  bool per_picture = false;
  bool json = false;
};

bool is_statistics_file(const std::filesystem::path& path) { return path.extension() == ".npz"; }

eval::FeatureStatistics statistics_of(const std::filesystem::path& path, const eval::MetricNetworks& networks,
                                      const MetricsOptions& options) {
  if (is_statistics_file(path)) return eval::read_statistics(path);
  if (!networks.inception) {
    fail_usage("the features of {} need --inception-weights; docs/METRICS.md says where to get them", path.string());
  }
  return eval::measure_folder(eval::list_pictures(path), *networks.inception, false,
                              show_progress(path.string(), options.common.quiet))
      .accumulator.statistics();
}

void print_row(const char* name, double value, const char* remark) {
  fmt::print("{:<6} {:>12.6f}{}\n", name, value, remark);
}

void print_comparison(const FolderComparison& comparison) {
  const eval::MetricMeans& means = comparison.means;
  fmt::print("{} pairs, {} of them identical\n", means.pairs, means.identical);
  print_row("PSNR", means.psnr,
            means.identical == 0             ? " dB"
            : means.identical == means.pairs ? " dB (no pair differs)"
                                             : " dB (of the pairs that differ)");
  print_row("SSIM", means.ssim, "");
  if (means.lpips) print_row("LPIPS", *means.lpips, "");
  if (comparison.fid) print_row("FID", *comparison.fid, "");
  if (comparison.kid) print_row("KID", *comparison.kid, "");
}

void metrics(const MetricsOptions& options) {
  const bool one = options.b.empty();
  if (one && options.write_statistics.empty()) {
    fail_usage("a second folder is missing; only --write-statistics is content with one");
  }
  if (!one && !options.write_statistics.empty()) fail_usage("--write-statistics is for one folder, without a second");
  if (!options.write_statistics.empty()) check_writable(options.write_statistics);
  const eval::MetricNetworks networks = options.common.open_networks();
  if (one) {
    eval::write_statistics(options.write_statistics, statistics_of(options.a, networks, options));
    return;
  }
  if (is_statistics_file(options.a) || is_statistics_file(options.b)) {
    const double fid = eval::frechet_distance(statistics_of(options.a, networks, options),
                                              statistics_of(options.b, networks, options));
    if (options.json) {
      fmt::print("{}\n", nlohmann::ordered_json{{"fid", fid}}.dump(2));
    } else {
      print_row("FID", fid, "");
    }
    return;
  }
  std::optional<eval::FolderFeatures> first;
  const FolderComparison comparison = compare_folders(options.a, options.b, networks, options.common, first);
  if (options.json) {
    fmt::print("{}\n", comparison_json(comparison, options.per_picture).dump(2));
  } else {
    print_comparison(comparison);
  }
}

}  // namespace

void add_metrics_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("metrics", "compare two folders of pictures: PSNR, SSIM, LPIPS, FID, KID");
  auto options = std::make_shared<MetricsOptions>();
  command->add_option("a", options->a, "folder of pictures (the full cache's), or statistics (.npz) for FID")
      ->required();
  command->add_option("b", options->b, "folder of pictures with the same names, or statistics (.npz)");
  options->common.add_to(*command);
  command->add_option("--write-statistics", options->write_statistics,
                      "write mean and covariance of folder a's features (.npz), which may stand for it later");
  command->add_flag("--per-image", options->per_picture, "with --json: the values of every pair too");
  command->add_flag("--json", options->json, "the result as JSON on standard output");
  command->footer("Example: scalekv metrics full scalekv-10 --json");
  command->callback([options] { metrics(*options); });
}

}  // namespace scalekv::cli
