// scalekv calibrate: measures a model's attention, and allocates cache budgets from what it found.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cache/budget_file.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "dataset/prompt_list.h"
#include "engine/calibrate.h"
#include "study/curves.h"

namespace scalekv::cli {
namespace {

struct CalibrateCommand {
  ModelOptions model;
  RequestOptions request;
  CalibrateOptions calibrate;
  std::filesystem::path prompts;
  int count = 0;
  std::filesystem::path out = "calibration.json";
  std::string budget = "10%";
  std::filesystem::path plot, head_plot;

  // The measurements go to `out`, or beside it where budgets go there.
  CalibrateOptions parsed() const {
    CalibrateOptions options = calibrate;
    options.out = out;
    options.budgets = out;
    if (!options.policy.empty()) options.out.replace_extension(".calibration.json");
    options.budget = cache::parse_share(budget);
    return options;
  }
};

void write_plots(const CalibrateCommand& command, const Calibration& found) {
  if (!command.plot.empty()) {
    write_file(command.plot, study::heat_map_svg("Attention Selectivity Index (low: drafter)", found.selectivity,
                                                 "scale", 1, "layer"));
  }
  if (!command.head_plot.empty()) {
    write_file(command.head_plot, study::heat_map_svg("Attention selectivity of heads, mean over scales (low: drafter)",
                                                      found.head_selectivity, "layer", 0, "head"));
  }
}

// Those that `--policy scalekv` takes.
void print_drafters(const Calibration& found, std::uint64_t seed, bool as_json) {
  nlohmann::ordered_json report = {{"model", found.model}, {"prompts", found.prompts}, {"seed", seed}};
  for (const auto& [number, layers] : found.drafters) report["drafters"][std::to_string(number)] = layers;
  if (as_json) {
    fmt::print("{}\n", report.dump(2));
    return;
  }
  const bool one = std::all_of(found.drafters.begin(), found.drafters.end(),
                               [](const auto& drafters) { return drafters.second.size() == 1; });
  const char* plural = one ? "" : "s";
  fmt::print("{} prompts of {}, from seed {} on; the drafter{}, lowest in Attention Selectivity Index, by scale:\n",
             found.prompts, found.model, seed, plural);
  for (const auto& [number, layers] : found.drafters)
    fmt::print("  scale {:>2}: layer{} {}\n", number, plural, fmt::join(layers, ", "));
}

void calibrate(CalibrateCommand command) {
  std::vector<std::string> prompts = dataset::read_prompts(command.prompts);
  take_first(prompts, command.count, command.prompts.string(), command.model.quiet);
  const CalibrateOptions options = command.parsed();
  if (!options.fresh && std::filesystem::exists(options.out)) {
    keep_random_seed(command.request, cache::read_calibration(options.out).settings);
  }
  const Request request = command.request.parsed();
  engine::check_calibration(options, request, prompts.size());
  for (const std::filesystem::path& path : {command.out, command.plot, command.head_plot}) {
    if (!path.empty()) check_writable(path);
  }
  auto files = command.model.open_files();
  const engine::ResolvedRequest resolved = engine::resolve_calibration(*files, request);
  engine::MemoryQuestion question = engine::make_question(files, resolved, prompts);
  question.texts.held = engine::TextList(prompts).held_tokens(*files->tokenizer);
  question.decode = false;
  question.not_advised = {"budget"};  // of what is allocated in the end
  command.model.require_memory(std::move(question));
  const auto model = engine::load_model(std::move(files));
  Calibration found;
  {
    ProgressBar bar("calibrate", command.model.quiet);
    found = engine::calibrate(*model, resolved, prompts, options, bar.work());
  }
  write_plots(command, found);
  if (!command.model.quiet || command.model.json) print_drafters(found, request.seed, command.model.json);
}

}  // namespace

void add_calibrate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("calibrate", "measure a model's attention and allocate cache budgets from it");
  auto options = std::make_shared<CalibrateCommand>();
  options->request.add_to(*command);
  for (const char* unused : {"prompt", "--negative", "--policy", "--budget", "--budget-file", "--selector", "--kv",
                             "--calibration", "--face-prompt"}) {
    command->remove_option(command->get_option(unused));
  }
  command
      ->add_option("--prompts", options->prompts,
                   "prompts: a text, JSON, JSONL, CSV, TSV or COCO file (docs/DATASETS.md)")
      ->type_name("PATH")
      ->required();
  add_number(*command, "-n,--count", options->count, "prompts to take; 0: all; ten are enough", {.least = 0})
      ->capture_default_str();
  command
      ->add_option(
          "-o,--out", options->out,
          "the measurements; with --policy the budgets, and the measurements beside them. Goes on where it was "
          "cut short")
      ->type_name("FILE")
      ->capture_default_str();
  const std::vector<std::string> allocated = cache::allocated_policies();
  CLI::Option* policy = command
                            ->add_option("-p,--policy", options->calibrate.policy,
                                         "also allocate budgets: " + cache::in_words(allocated, "or"))
                            ->type_name("POLICY")
                            ->check(CLI::IsMember(allocated));
  command->add_option("-b,--budget", options->budget, "share of the full cache to allocate")
      ->needs(policy)
      ->capture_default_str();
  command->add_flag("--published", options->calibrate.published, "write budgets in the shape of the ScaleKV repository")
      ->needs(policy);
  command->add_flag("--fresh", options->calibrate.fresh, "begin anew, whatever was measured before");
  command->add_option("--plot", options->plot, "heat map of the Attention Selectivity Index, scale x layer (SVG)")
      ->type_name("FILE");
  command->add_option("--plot-heads", options->head_plot, "the same for heads, layer x head (SVG)")->type_name("FILE");
  options->model.add_to(*command);
  command->footer(
      "Example: scalekv calibrate --model infinity-2b.safetensors --prompts prompts.txt -n 10 --policy adaptive "
      "--budget 4% -o infinity-2b-4.json");
  command->callback([options] { calibrate(*options); });
}

}  // namespace scalekv::cli
