// scalekv calibrate: measures a model's attention, for the policies that stand on it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/file.h"
#include "dataset/prompt_list.h"
#include "eval/heat_map.h"
#include "pipeline/calibrate.h"

namespace scalekv::cli {
namespace {

struct CalibrateOptions {
  ModelOptions model;
  RequestOptions request;
  std::filesystem::path prompts;
  int count = 0;
  std::filesystem::path out = "calibration.json";
  std::filesystem::path plot;
};

// Goes on with a calibration of the same model and size that was cut short; starts anew where there is none.
cache::Calibration open_calibration(const CalibrateOptions& options, const pipeline::Model& model,
                                    const Request& request) {
  cache::Calibration fresh = pipeline::empty_calibration(model, request);
  if (!std::filesystem::exists(options.out)) return fresh;
  cache::Calibration found = cache::read_calibration(options.out);
  found.check_fits(fresh.statistics.geometry());
  if (found.model != fresh.model || found.statistics.geometry().scales != fresh.statistics.geometry().scales) {
    fail("{} is a calibration of {} at another size or of another model; name another file with -o",
         options.out.string(), found.model);
  }
  return found;
}

void print_drafters(const cache::Calibration& calibration, bool as_json) {
  const auto drafters = cache::find_drafters(calibration.statistics, 1);
  nlohmann::ordered_json report = {{"model", calibration.model}, {"prompts", calibration.prompts}};
  for (const auto& [number, layers] : drafters) report["drafters"][std::to_string(number)] = layers;
  if (as_json) {
    fmt::print("{}\n", report.dump(2));
    return;
  }
  fmt::print("{} prompts of {}; the layer with the lowest Attention Selectivity Index, by scale:\n",
             calibration.prompts, calibration.model);
  for (const auto& [number, layers] : drafters)
    fmt::print("  scale {:>2}: layer {}\n", number, fmt::join(layers, ", "));
}

void calibrate(const CalibrateOptions& options) {
  std::vector<std::string> prompts = dataset::read_prompts(options.prompts);
  if (options.count > 0) prompts.resize(std::min(prompts.size(), static_cast<std::size_t>(options.count)));
  const Request request = options.request.parsed();
  check_writable(options.out);
  if (!options.plot.empty()) check_writable(options.plot);
  const auto model = pipeline::open_model(options.model.model, options.model.open);
  cache::Calibration calibration = open_calibration(options, *model, request);
  ProgressBar bar("calibrate", options.model.quiet);
  const ProgressCallback interrupted = bar.callback();
  pipeline::calibrate(*model, request, prompts, calibration, [&] {
    const auto done = static_cast<std::size_t>(calibration.prompts);
    bar.show(static_cast<double>(done) / static_cast<double>(prompts.size()), prompts[done - 1]);
    write_file(options.out, cache::to_json(calibration));
    return interrupted({});
  });
  if (!options.plot.empty()) {
    auto index = cache::attention_selectivity(calibration.statistics);
    write_file(options.plot, eval::heat_map_svg("Attention Selectivity Index (low: drafter)", index, "scale", "layer"));
  }
  if (!options.model.quiet || options.model.json) print_drafters(calibration, options.model.json);
}

}  // namespace

void add_calibrate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("calibrate", "measure a model's attention, for calibrated cache policies");
  auto options = std::make_shared<CalibrateOptions>();
  options->request.add_to(*command);
  for (const char* unused : {"prompt", "--negative", "--policy", "--budget", "--selector", "--kv", "--calibration"}) {
    command->remove_option(command->get_option(unused));
  }
  command->add_option("--prompts", options->prompts, "prompts: a text, JSONL, CSV or COCO file (docs/DATASETS.md)")
      ->required();
  command->add_option("-n,--count", options->count, "prompts to take; 0: all; ten are enough")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("-o,--out", options->out, "the calibration; goes on where it was cut short")
      ->capture_default_str();
  command->add_option("--plot", options->plot, "heat map of the Attention Selectivity Index (SVG)");
  options->model.add_to(*command);
  command->footer(
      "Example: scalekv calibrate --model infinity-2b.safetensors --prompts prompts.txt -n 10 "
      "-o infinity-2b.calibration.json");
  command->callback([options] { calibrate(*options); });
}

}  // namespace scalekv::cli
