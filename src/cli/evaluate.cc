// scalekv evaluate: cache policies side by side, against the full cache.
#include "study/evaluate.h"

#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/numbers.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "study/evaluation_log.h"
#include "study/evaluation_table.h"

namespace scalekv::cli {
namespace {

struct EvaluateCommand {
  ModelOptions model;
  RequestOptions request;
  EvaluateOptions evaluate;
  std::filesystem::path prompts;
  std::string policies = "all";
  std::string budgets = "20,10,4,2,1";
  int count = 0;

  // With texts turned into lists. Throws UsageError.
  EvaluateOptions parsed() const {
    EvaluateOptions options = evaluate;
    if (policies != "all") options.policies = split_list(policies);
    options.budgets.clear();
    for (const std::string& budget : split_list(budgets)) {
      options.budgets.push_back(cache::parse_share(budget.ends_with('%') ? budget : budget + "%"));
    }
    const std::vector<std::string>& named = options.policies;
    if (policies != "all" && named.empty()) fail_usage("there is nothing to evaluate; name policies and budgets");
    if (request.given("--budgets") && named.size() == 1 && cache::keeps_all(named.front())) {
      fail_usage("the policy {} keeps everything; leave out --budgets, or name more --policies", named.front());
    }
    return options;
  }
};

void evaluate(EvaluateCommand command) {
  const EvaluateOptions options = command.parsed();
  const std::vector<study::PolicySetting> asked = study::list_settings(command.request.request.cache, options);
  study::EvaluationPrompts prompts = study::read_evaluation_prompts(command.prompts);
  take_first(prompts.prompts, command.count, command.prompts.string(), command.model.quiet);
  if (!prompts.captions.empty()) prompts.captions.resize(prompts.prompts.size());
  const std::filesystem::path log = options.out / "samples.jsonl";
  if (!options.fresh) keep_random_seed(command.request, study::recorded_settings(log));
  const Request request = command.request.parsed();
  check_seeds(request.seed, prompts.prompts.size());
  auto files = command.model.open_files();
  auto resolved = study::resolve_evaluation(*files, request, asked, [&](const engine::ResolvedRequest& one) {
    engine::MemoryQuestion question = engine::make_question(files, one, prompts.prompts);
    question.texts.held = prompts.drawn().held_tokens(*files->tokenizer);
    question.held = study::Evaluation::held_bytes(files->sizes.transformer, one.generation.schedule);
    command.model.require_memory(std::move(question));
  });
  study::make_evaluation_folder(options);
  check_writable(log);
  const auto model = engine::load_model(std::move(files));
  std::vector<EvaluationRow> rows;
  {
    ProgressBar bar("evaluate", command.model.quiet);
    rows = study::run_evaluation(*model, request, std::move(prompts), asked, std::move(resolved), options, bar.work());
  }
  if (command.model.json) {
    fmt::print("{}", study::to_json(rows, request.seed));
  } else if (!command.model.quiet) {
    fmt::print("{}{}/evaluation.json, .csv, .md and .html hold the same; pictures from seed {} on\n",
               study::to_markdown(rows), options.out.string(), request.seed);
  }
}

}  // namespace

void add_evaluate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("evaluate", "compare cache policies with the full cache, at equal bytes");
  auto options = std::make_shared<EvaluateCommand>();
  options->request.add_to(*command);
  for (const char* unused : {"prompt", "--negative", "--policy", "--budget", "--budget-file", "--face-prompt"}) {
    command->remove_option(command->get_option(unused));
  }
  command->add_option("--prompts", options->prompts, "prompts, one a line, or captions of the shapes world")
      ->type_name("PATH")
      ->required();
  command->add_option("-p,--policies", options->policies, "policies, separated by commas, or all")
      ->type_name("POLICY,...")
      ->capture_default_str();
  command->add_option("-b,--budgets", options->budgets, "budgets in percent, separated by commas")
      ->capture_default_str();
  add_number(*command, "-n,--count", options->count, "prompts to take; 0: all", {.least = 0})->capture_default_str();
  command
      ->add_option("-o,--out", options->evaluate.out,
                   "folder for the results; an evaluation that was cut short goes on")
      ->type_name("FOLDER")
      ->capture_default_str();
  add_number(*command, "--strips", options->evaluate.strips, "prompts whose pictures are kept and shown", {.least = 0})
      ->capture_default_str();
  command->add_flag("--fresh", options->evaluate.fresh, "begin anew, whatever the folder holds");
  options->model.add_to(*command);
  command->footer(
      "Example: scalekv evaluate --prompts models/shapes-test-captions.jsonl -n 200 --policies all "
      "--budgets 20,10,4,2,1 -o evaluation");
  command->callback([options] { evaluate(*options); });
}

}  // namespace scalekv::cli
