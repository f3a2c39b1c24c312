#include "cli/metric_options.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "base/error.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "runtime/threads.h"
#include "study/folder_metrics.h"

namespace scalekv::cli {

nlohmann::ordered_json json_number(double value) {
  return std::isinf(value) ? nlohmann::ordered_json("inf") : nlohmann::ordered_json(value);
}

void MetricsCommandOptions::add_to(CLI::App& command) {
  command
      .add_option("--lpips-weights", lpips_weights,
                  "for LPIPS: alexnet-owt-7be5be79.pth and the lpips package's alex.pth (give the option twice, or "
                  "join them with a comma), or one .safetensors with the tensors of both")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->delimiter(',');
  command.add_option("--inception-weights", inception_weights, "for FID and KID: pt_inception-2015-12-05-6726825d.pth")
      ->type_name("FILE");
  command.add_flag("--kid", metrics.kid, "KID too; keeps 8 KB of memory a picture");
  command.add_flag("--is-gt", metrics.photographs,
                   "the first folder holds photographs of any size: for PSNR, SSIM and LPIPS they are resized to their "
                   "partners' size");
  add_number(command, "-t,--threads", threads, "threads; default: one per processor", {1, 1024});
  command.add_flag("-q,--quiet", quiet, "no progress, no remarks");
}

study::MetricNetworks MetricsCommandOptions::open_networks(bool features_are_stored) const {
  if (metrics.kid && !features_are_stored && inception_weights.empty()) {
    fail_usage("--kid needs --inception-weights; docs/METRICS.md says where to get them");
  }
  Runtime::current().set_threads(threads);
  study::MetricNetworks networks = study::MetricNetworks::open(lpips_weights, inception_weights);
  if (!quiet && !features_are_stored && !(networks.lpips && networks.inception)) {
    const char* rest = networks.inception ? "LPIPS (--lpips-weights)"
                       : networks.lpips   ? "FID and KID (--inception-weights)"
                                          : "LPIPS, FID and KID (--lpips-weights, --inception-weights)";
    fmt::print(stderr, "scalekv: without {}; docs/METRICS.md says where to get the networks' weights\n", rest);
  }
  return networks;
}

study::MetricProgress show_progress(const std::string& title, bool quiet) {
  return [bar = std::make_shared<ProgressBar>(title, quiet)](std::size_t done, std::size_t all) {
    bar->show(static_cast<double>(done) / static_cast<double>(all), fmt::format("{}/{}", done, all));
    return !ProgressBar::interrupted();
  };
}

FolderComparison compare_folders(const std::filesystem::path& a, const std::filesystem::path& b,
                                 const study::MetricNetworks& networks, const MetricsCommandOptions& options,
                                 std::optional<study::FolderFeatures>& first) {
  const std::vector<study::PicturePair> pairs = study::pair_pictures(a, b);
  const bool with_features = networks.inception.has_value();
  const bool first_is_new = with_features && !first;
  if (first_is_new) first.emplace();
  study::FolderFeatures second;
  FolderComparison comparison;
  comparison.pairs = study::compare_pairs(pairs, networks, options.metrics, first_is_new ? &*first : nullptr,
                                          with_features ? &second : nullptr, show_progress(b.string(), options.quiet));
  comparison.means = study::mean_metrics(comparison.pairs);
  if (!with_features) return comparison;
  const auto pictures = static_cast<std::int64_t>(pairs.size());
  comparison.why_not = study::why_not_measured(pictures);
  comparison.remarks = study::remarks_on_few(pictures, options.metrics.kid);
  if (!comparison.why_not.empty()) {
    comparison.remarks.push_back(
        fmt::format("there is no FID{}: {}", options.metrics.kid ? " and no KID" : "", comparison.why_not));
  } else {
    comparison.fid = study::frechet_distance(first->accumulator.statistics(), second.accumulator.statistics());
    if (options.metrics.kid) comparison.kid = study::kernel_distance(first->list, second.list);
  }
  for (const std::string& remark : comparison.remarks) note(remark, options.quiet);
  return comparison;
}

void add_distances(const FolderComparison& comparison, bool kid, nlohmann::ordered_json& json) {
  const auto add = [&](const std::string& name, const std::optional<double>& value) {
    if (value) json[name] = *value;
    if (value || comparison.why_not.empty()) return;
    json[name] = nullptr;
    json[name + "_missing"] = comparison.why_not;
  };
  add("fid", comparison.fid);
  if (kid) add("kid", comparison.kid);
  if (!comparison.remarks.empty()) json["warnings"] = comparison.remarks;
}

nlohmann::ordered_json comparison_json(const FolderComparison& comparison, bool kid, bool per_picture) {
  nlohmann::ordered_json json = {{"pairs", comparison.means.pairs},
                                 {"identical", comparison.means.identical},
                                 {"psnr", json_number(comparison.means.psnr)},
                                 {"ssim", comparison.means.ssim}};
  if (comparison.means.lpips) json["lpips"] = *comparison.means.lpips;
  add_distances(comparison, kid, json);
  if (!per_picture) return json;
  for (const study::PairMetrics& pair : comparison.pairs) {
    nlohmann::ordered_json one = {{"name", pair.name}, {"psnr", json_number(pair.psnr)}, {"ssim", pair.ssim}};
    if (pair.lpips) one["lpips"] = *pair.lpips;
    json["pictures"].push_back(std::move(one));
  }
  return json;
}

}  // namespace scalekv::cli
