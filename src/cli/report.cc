// scalekv report: several folders of pictures against the full cache's.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/metric_options.h"
#include "cli/options.h"
#include "study/metric_report.h"

namespace scalekv::cli {
namespace {

struct ReportOptions {
  MetricsCommandOptions common;
  std::filesystem::path full;
  std::vector<std::filesystem::path> folders;
  std::filesystem::path out = "report.html";
};

void report(const ReportOptions& options) {
  const std::string suffix = options.out.extension().string();
  if (suffix != ".html" && suffix != ".md" && suffix != ".json") {
    fail_usage("{}: a report ends with .html, .md or .json", options.out.string());
  }
  check_writable(options.out);
  const study::MetricNetworks networks = options.common.open_networks();
  std::optional<study::FolderFeatures> first;
  std::vector<study::ReportRow> rows;
  nlohmann::ordered_json json = {{"full", options.full.string()}, {"folders", nlohmann::ordered_json::array()}};
  for (const std::filesystem::path& folder : options.folders) {
    const FolderComparison comparison = compare_folders(options.full, folder, networks, options.common, first);
    rows.push_back({folder.string(), study::read_sample_record(folder), comparison.means, comparison.fid,
                    comparison.kid, comparison.remarks,
                    study::pick_strip(comparison.pairs, study::pair_pictures(options.full, folder))});
    nlohmann::ordered_json one = {{"folder", folder.string()}};
    const study::SampleRecord& record = rows.back().record;
    if (!record.settings.empty()) one["settings"] = record.settings;
    if (record.seconds) {
      one["seconds"] = *record.seconds;
      one["kv_bytes_peak"] = *record.kv_bytes_peak;
      one["kv_bytes_peak_full"] = *record.kv_bytes_peak_full;
    }
    one.update(comparison_json(comparison, options.common.metrics.kid, false));
    for (const study::ReportPair& pair : rows.back().strip) {
      one[pair.rank] = {{"name", pair.files.name},
                        {"psnr", json_number(pair.psnr)},
                        {"full", pair.files.a.string()},
                        {"compressed", pair.files.b.string()}};
    }
    json["folders"].push_back(std::move(one));
  }
  const std::string full = options.full.string();
  write_file(options.out, suffix == ".html" ? study::html_report(full, rows)
                          : suffix == ".md" ? study::markdown_report(full, rows, options.out.parent_path())
                                            : json.dump(2) + "\n");
  if (!options.common.quiet) fmt::print("{}\n", options.out.string());
}

}  // namespace

void add_report_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("report", "one table and page: several folders against the full cache's");
  auto options = std::make_shared<ReportOptions>();
  command->add_option("full", options->full, "folder of the full cache's pictures")->type_name("FOLDER")->required();
  command->add_option("folders", options->folders, "folders to compare with it")->type_name("FOLDER")->required();
  command->add_option("-o,--out", options->out, "the report: .html, .md or .json")
      ->type_name("FILE")
      ->capture_default_str();
  options->common.add_to(*command);
  command->footer("Example: scalekv report full scalekv-10 scalekv-4 -o report.html");
  command->callback([options] { report(*options); });
}

}  // namespace scalekv::cli
