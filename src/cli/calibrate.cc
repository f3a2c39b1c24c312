// scalekv calibrate: measures a model's attention, and allocates cache budgets from what it found.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "base/seed.h"
#include "cache/budget_file.h"
#include "cli/commands.h"
#include "cli/number_options.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_settings.h"
#include "dataset/prompt_list.h"
#include "engine/calibrate.h"
#include "study/heat_map.h"

namespace scalekv::cli {
namespace {

struct CalibrateOptions {
  ModelOptions model;
  RequestOptions request;
  std::filesystem::path prompts;
  int count = 0;
  std::filesystem::path out = "calibration.json";
  std::string policy;  // empty: only measure
  std::string budget = "10%";
  bool published = false;
  bool fresh = false;
  std::filesystem::path plot, head_plot;

  // Where the measurements go: to `out`, or beside it where budgets go there.
  std::filesystem::path calibration_file() const {
    std::filesystem::path path = out;
    return policy.empty() ? path : path.replace_extension(".calibration.json");
  }
};

// Goes on with a calibration that was cut short, of the same prompts with the same settings; starts anew where there is
// none.
cache::Calibration open_calibration(const CalibrateOptions& options, engine::Model& model,
                                    const engine::ResolvedRequest& request, std::span<const std::string> prompts) {
  cache::Calibration fresh = engine::empty_calibration(model, request);
  fresh.settings = run_settings(std::move(fresh.settings), model);
  if (options.fresh || !std::filesystem::exists(options.calibration_file())) return fresh;
  cache::Calibration found = cache::read_calibration(options.calibration_file());
  const auto refuse = [&](const std::string& reason) {
    fail("{} {}; name another file with -o, or begin --fresh", options.calibration_file().string(), reason);
  };
  if (found.settings.empty()) refuse("does not say how it was measured, so nothing can be added to it");
  const std::string different = differences(found.settings, fresh.settings);
  if (!different.empty()) refuse(fmt::format("was measured with other settings ({})", different));
  if (!(found.statistics.geometry() == fresh.statistics.geometry())) refuse("is of a model of other sizes");
  const auto done = static_cast<std::size_t>(found.prompts);
  if (done > prompts.size()) refuse(fmt::format("is of {} prompts already, not of {}", done, prompts.size()));
  if (found.prompts_sha256 != cache::prompts_sha256(prompts.first(done))) {
    refuse(fmt::format("was measured on other prompts than those of {}", options.prompts.string()));
  }
  return found;
}

cache::Calibration measure(const CalibrateOptions& options, engine::Model& model,
                           const engine::ResolvedRequest& request, const std::vector<std::string>& prompts) {
  cache::Calibration calibration = open_calibration(options, model, request, prompts);
  ProgressBar bar("calibrate", options.model.quiet);
  const ProgressCallback interrupted = bar.callback();
  engine::calibrate(model, request, prompts, calibration, [&] {
    const auto done = static_cast<std::size_t>(calibration.prompts);
    bar.show(static_cast<double>(done) / static_cast<double>(prompts.size()), prompts[done - 1]);
    const std::string json = cache::to_json(calibration);
    write_file(options.calibration_file(), json);
    // Goes on with what the file says, so that a run that is cut short ends with the same bytes as one that is not.
    calibration = cache::parse_calibration(json, options.calibration_file().string());
    return interrupted({.scales = 1});
  });
  return calibration;
}

// The selectivity of single heads, averaged over the scales that have a history: [layer][head].
std::vector<std::vector<double>> head_selectivity(const cache::AttentionStatistics& statistics) {
  const cache::CacheGeometry& geometry = statistics.geometry();
  std::vector<std::vector<double>> cells(static_cast<std::size_t>(geometry.layers));
  for (int layer = 0; layer < geometry.layers; ++layer) {
    for (int head = 0; head < geometry.heads; ++head) {
      double sum = 0.0;
      for (int scale = 1; scale < geometry.scale_count(); ++scale) {
        const cache::HeadStatistics means = statistics.at(scale, layer, head);
        sum += means.current_share * means.concentration;
      }
      cells[static_cast<std::size_t>(layer)].push_back(sum / std::max(1, geometry.scale_count() - 1));
    }
  }
  return cells;
}

void write_plots(const CalibrateOptions& options, const cache::AttentionStatistics& statistics) {
  if (!options.plot.empty()) {
    write_file(options.plot, study::heat_map_svg("Attention Selectivity Index (low: drafter)",
                                                 cache::attention_selectivity(statistics), "scale", 1, "layer"));
  }
  if (!options.head_plot.empty()) {
    write_file(options.head_plot, study::heat_map_svg("Attention selectivity of heads, mean over scales (low: drafter)",
                                                      head_selectivity(statistics), "layer", 0, "head"));
  }
}

// Those that `--policy scalekv` takes.
void print_drafters(const cache::Calibration& calibration, std::uint64_t seed, bool as_json) {
  const int count = cache::drafter_count(calibration.statistics.geometry().layers);
  const auto drafters = cache::find_drafters(calibration.statistics, count);
  nlohmann::ordered_json report = {{"model", calibration.model}, {"prompts", calibration.prompts}, {"seed", seed}};
  for (const auto& [number, layers] : drafters) report["drafters"][std::to_string(number)] = layers;
  if (as_json) {
    fmt::print("{}\n", report.dump(2));
    return;
  }
  const char* plural = count == 1 ? "" : "s";
  fmt::print("{} prompts of {}, from seed {} on; the drafter{}, lowest in Attention Selectivity Index, by scale:\n",
             calibration.prompts, calibration.model, seed, plural);
  for (const auto& [number, layers] : drafters)
    fmt::print("  scale {:>2}: layer{} {}\n", number, plural, fmt::join(layers, ", "));
}

void calibrate(CalibrateOptions options) {
  std::vector<std::string> prompts = dataset::read_prompts(options.prompts);
  take_first(prompts, options.count, options.prompts.string(), options.model.quiet);
  if (!options.fresh && std::filesystem::exists(options.calibration_file())) {
    keep_random_seed(options.request, cache::read_calibration(options.calibration_file()).settings);
  }
  const Request request = options.request.parsed();
  check_seeds(request.seed, prompts.size());
  if (options.published && cache::allocation(options.policy) != cache::Allocation::capacities) {
    fail_usage("the shape of the ScaleKV repository has room for scalekv's budgets only; leave out --published");
  }
  const double share = cache::parse_share(options.budget);
  for (const std::filesystem::path& path : {options.out, options.plot, options.head_plot}) {
    if (!path.empty()) check_writable(path);
  }
  auto files = options.model.open_files();
  const engine::ResolvedRequest resolved = engine::resolve_calibration(*files, request);
  engine::MemoryQuestion question = engine::make_question(files, resolved, prompts);
  question.decode = false;
  question.not_advised = {"budget"};  // of what is allocated in the end
  options.model.require_memory(std::move(question));
  const auto model = engine::load_model(std::move(files));
  const auto calibration = std::make_shared<cache::Calibration>(measure(options, *model, resolved, prompts));
  if (!options.policy.empty()) {
    const cache::BudgetFile budgets =
        cache::allocate({.name = options.policy, .share = share, .calibration = calibration},
                        calibration->statistics.geometry(), calibration->model);
    write_file(options.out, options.published ? cache::to_published_json(budgets) : cache::to_json(budgets));
  }
  write_plots(options, calibration->statistics);
  if (!options.model.quiet || options.model.json) print_drafters(*calibration, request.seed, options.model.json);
}

}  // namespace

void add_calibrate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("calibrate", "measure a model's attention and allocate cache budgets from it");
  auto options = std::make_shared<CalibrateOptions>();
  options->request.add_to(*command);
  for (const char* unused : {"prompt", "--negative", "--policy", "--budget", "--budget-file", "--selector", "--kv",
                             "--calibration", "--face-prompt"}) {
    command->remove_option(command->get_option(unused));
  }
  command
      ->add_option("--prompts", options->prompts,
                   "prompts: a text, JSON, JSONL, CSV, TSV or COCO file (docs/DATASETS.md)")
      ->required();
  add_number(*command, "-n,--count", options->count, "prompts to take; 0: all; ten are enough", {.least = 0})
      ->capture_default_str();
  command
      ->add_option(
          "-o,--out", options->out,
          "the measurements; with --policy the budgets, and the measurements beside them. Goes on where it was "
          "cut short")
      ->capture_default_str();
  const std::vector<std::string> allocated = cache::allocated_policies();
  CLI::Option* policy =
      command->add_option("-p,--policy", options->policy, "also allocate budgets: " + cache::in_words(allocated, "or"))
          ->check(CLI::IsMember(allocated));
  command->add_option("-b,--budget", options->budget, "share of the full cache to allocate")
      ->needs(policy)
      ->capture_default_str();
  command->add_flag("--published", options->published, "write budgets in the shape of the ScaleKV repository")
      ->needs(policy);
  command->add_flag("--fresh", options->fresh, "begin anew, whatever was measured before");
  command->add_option("--plot", options->plot, "heat map of the Attention Selectivity Index, scale x layer (SVG)");
  command->add_option("--plot-heads", options->head_plot, "the same for heads, layer x head (SVG)");
  options->model.add_to(*command);
  command->footer(
      "Example: scalekv calibrate --model infinity-2b.safetensors --prompts prompts.txt -n 10 --policy adaptive "
      "--budget 4% -o infinity-2b-4.json");
  command->callback([options] { calibrate(*options); });
}

}  // namespace scalekv::cli
