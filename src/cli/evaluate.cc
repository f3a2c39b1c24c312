// scalekv evaluate: cache policies side by side, against the full cache.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

#include "cache/policy.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_settings.h"
#include "core/error.h"
#include "core/file.h"
#include "eval/evaluation.h"
#include "eval/evaluation_log.h"
#include "eval/evaluation_page.h"
#include "eval/evaluation_table.h"
#include "pipeline/description.h"
#include "pipeline/fingerprint.h"

namespace scalekv::cli {
namespace {

struct EvaluateOptions {
  ModelOptions model;
  RequestOptions request;
  std::filesystem::path prompts;
  std::string policies = "all";
  std::string budgets = "20,10,4,2,1";
  std::filesystem::path out = "evaluation";
  int count = 0;
  int strips = 4;
  bool fresh = false;

  std::filesystem::path picture(std::size_t prompt, const eval::PolicySetting& setting, const char* what) const {
    return out / "pictures" / fmt::format("{:05}-{}-{:g}-{}.png", prompt, setting.policy, setting.budget * 100.0, what);
  }
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

// Every policy with every budget; the full cache once, with all of it.
std::vector<eval::PolicySetting> parse_settings(const EvaluateOptions& options) {
  std::vector<std::string> policies;
  if (options.policies == "all") {
    for (const cache::PolicyFacts& facts : cache::known_policies()) policies.push_back(facts.name);
  } else {
    policies = split(options.policies);
  }
  std::vector<double> budgets;
  for (const std::string& budget : split(options.budgets)) {
    budgets.push_back(cache::parse_share(budget.ends_with('%') ? budget : budget + "%"));
  }
  if (policies.empty() || budgets.empty()) fail_usage("there is nothing to evaluate; name policies and budgets");
  const auto listed = [&](const char* policy) { return std::count(policies.begin(), policies.end(), policy) > 0; };
  if (options.request.given("--selector") && !listed("scalekv")) {
    fail_usage("--selector is for the policy scalekv, which is not among --policies {}; leave it out",
               options.policies);
  }
  if (options.request.given("--budgets") && policies == std::vector<std::string>{"full"}) {
    fail_usage("the policy full keeps everything; leave out --budgets, or name more --policies");
  }
  std::vector<eval::PolicySetting> settings;
  const auto add = [&](const eval::PolicySetting& setting) {
    if (std::find(settings.begin(), settings.end(), setting) == settings.end()) settings.push_back(setting);
  };
  for (const std::string& policy : policies) {
    for (const double budget : budgets) {
      cache::check_policy_request({policy, budget, options.request.request.cache.selector, nullptr});
      add({policy, cache::kept_share(policy, budget)});
    }
  }
  return settings;
}

// What all samples have in common. The pictures of every policy hang on the calibration, too.
Settings common_settings(const EvaluateOptions& options, const pipeline::Model& model, Request request) {
  request.prompt = "any";
  request.cache.policy = "full";
  Settings settings = run_settings(pipeline::describe_request(model, request), options.model);
  settings.erase("policy");
  settings["selector"] = request.cache.selector;
  settings["calibration_sha256"] =
      pipeline::calibration_fingerprint(options.model.model, options.model.open, request.cache.calibration);
  return settings;
}

// The settings that have every prompt so far, as rows.
std::vector<eval::EvaluationRow> make_rows(const eval::Evaluation& evaluation, const eval::EvaluationLog& log,
                                           const std::vector<eval::PolicySetting>& settings, std::size_t prompts) {
  std::vector<eval::EvaluationRow> rows;
  for (const eval::PolicySetting& setting : settings) {
    std::vector<eval::Sample> samples;
    for (const eval::Sample& sample : log.samples()) {
      if (sample.setting == setting && sample.prompt < prompts) samples.push_back(sample);
    }
    if (!samples.empty()) rows.push_back(eval::make_row(setting, evaluation.bytes(setting), samples));
  }
  return rows;
}

// Pictures of the first prompts, and the tokens that every policy keeps of the first one at 10% (or the last budget).
void write_page(const EvaluateOptions& options, const std::string& model, const eval::Evaluation& evaluation,
                const std::vector<eval::PolicySetting>& settings, const std::vector<eval::EvaluationRow>& rows) {
  const auto caption = [](const eval::PolicySetting& setting) {
    return fmt::format("{}, {:g}%", setting.policy, setting.budget * 100.0);
  };
  std::vector<eval::PageStrip> strips;
  const std::size_t prompts = evaluation.prompts().prompts.size();
  for (std::size_t prompt = 0; prompt < std::min(prompts, static_cast<std::size_t>(options.strips)); ++prompt) {
    eval::PageStrip strip{evaluation.prompts().prompts[prompt], {}};
    for (const eval::PolicySetting& setting : settings) {
      const std::filesystem::path file = options.picture(prompt, setting, "drawn");
      if (std::filesystem::exists(file)) strip.pictures.push_back({caption(setting), file});
    }
    strips.push_back(std::move(strip));
  }
  eval::PageStrip sheets{evaluation.prompts().prompts.front(), {}};
  std::vector<std::string> seen;
  for (const eval::PolicySetting& setting : settings) {
    const bool middle = std::abs(setting.budget - 0.10) < 1e-9 || setting.budget == settings.back().budget;
    if (!middle || std::find(seen.begin(), seen.end(), setting.policy) != seen.end()) continue;
    seen.push_back(setting.policy);
    const std::filesystem::path file = options.picture(0, setting, "tokens");
    evaluation.draw_tokens(0, setting).write_png(file);
    sheets.pictures.push_back({caption(setting), file});
  }
  write_file(options.out / "evaluation.html", eval::evaluation_page(model, rows, strips, sheets));
  write_file(options.out / "kl.svg", eval::divergence_curves(rows));
}

// Every policy is drawn twice, with the full cache's run at hand to compare with.
void require_memory(const EvaluateOptions& options, const Request& request,
                    const std::vector<eval::PolicySetting>& settings, std::span<const std::string> prompts) {
  pipeline::PlanQuestion question = options.model.question(request, prompts);
  const pipeline::ModelSizes sizes = pipeline::read_sizes(*question.bundle, question.open.weights);
  question.request.cache.policy = "full";
  const infinity::Schedule schedule = pipeline::resolve_question(question, sizes).schedule;
  question.held = eval::Evaluation::held_bytes(sizes.transformer, schedule);
  options.model.require_memory(question);
  for (const eval::PolicySetting& setting : settings) {
    question.request.cache.policy = setting.policy;
    question.request.cache.budget = setting.budget;
    options.model.require_memory(question);
  }
}

void evaluate(const EvaluateOptions& options) {
  const std::vector<eval::PolicySetting> settings = parse_settings(options);
  eval::EvaluationPrompts prompts = eval::read_evaluation_prompts(options.prompts);
  take_first(prompts.prompts, options.count, options.prompts.string(), options.model.quiet);
  if (!prompts.captions.empty()) prompts.captions.resize(prompts.prompts.size());
  const Request request = options.request.parsed();
  require_memory(options, request, settings, prompts.prompts);
  std::error_code failed;
  std::filesystem::create_directories(options.out / "pictures", failed);
  if (failed) fail("{} cannot be made: {}", options.out.string(), failed.message());
  check_writable(options.out / "samples.jsonl");
  if (options.fresh) std::filesystem::remove(options.out / "samples.jsonl");

  const auto model = pipeline::open_model(options.model.model, options.model.checked());
  const eval::Evaluation evaluation(*model, request, std::move(prompts));
  const std::size_t count = evaluation.prompts().prompts.size();
  for (const eval::PolicySetting& setting : settings) evaluation.bytes(setting);  // wrong ones fail now, not later
  eval::EvaluationLog log(options.out / "samples.jsonl", common_settings(options, *model, request),
                          evaluation.prompts().sha256());
  {
    ProgressBar bar("evaluate", options.model.quiet);
    const ProgressCallback interrupted = bar.callback();
    for (std::size_t prompt = 0; prompt < count; ++prompt) {
      std::vector<eval::PolicySetting> missing;
      for (const eval::PolicySetting& setting : settings) {
        if (!log.has(setting, prompt)) missing.push_back(setting);
      }
      if (missing.empty()) continue;
      bar.show(static_cast<double>(prompt) / static_cast<double>(count), evaluation.prompts().prompts[prompt]);
      evaluation.run(prompt, missing, [&](eval::Sample sample, const Image& image) {
        if (prompt < static_cast<std::size_t>(options.strips)) {
          image.write_png(options.picture(prompt, sample.setting, "drawn"));
        }
        log.add(std::move(sample));
        if (!interrupted({.scales = 1})) throw Cancelled();
      });
    }
  }
  const std::vector<eval::EvaluationRow> rows = make_rows(evaluation, log, settings, count);
  write_file(options.out / "evaluation.json", eval::to_json(rows));
  write_file(options.out / "evaluation.csv", eval::to_csv(rows));
  write_file(options.out / "evaluation.md", eval::to_markdown(rows));
  write_page(options, model->name, evaluation, settings, rows);
  if (options.model.json) {
    fmt::print("{}", eval::to_json(rows));
  } else if (!options.model.quiet) {
    fmt::print("{}{}/evaluation.json, .csv, .md and .html hold the same\n", eval::to_markdown(rows),
               options.out.string());
  }
}

}  // namespace

void add_evaluate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("evaluate", "compare cache policies with the full cache, at equal bytes");
  auto options = std::make_shared<EvaluateOptions>();
  options->request.add_to(*command);
  for (const char* unused : {"prompt", "--negative", "--policy", "--budget", "--budget-file", "--face-prompt"}) {
    command->remove_option(command->get_option(unused));
  }
  command->add_option("--prompts", options->prompts, "prompts, one a line, or captions of the shapes world")
      ->required();
  command->add_option("-p,--policies", options->policies, "policies, separated by commas, or all")
      ->capture_default_str();
  command->add_option("-b,--budgets", options->budgets, "budgets in percent, separated by commas")
      ->capture_default_str();
  command->add_option("-n,--count", options->count, "prompts to take; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("-o,--out", options->out, "folder for the results; an evaluation that was cut short goes on")
      ->capture_default_str();
  command->add_option("--strips", options->strips, "prompts whose pictures are kept and shown")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--fresh", options->fresh, "begin anew, whatever the folder holds");
  options->model.add_to(*command);
  command->footer(
      "Example: scalekv evaluate --prompts models/shapes-test-captions.jsonl -n 200 --policies all "
      "--budgets 20,10,4,2,1 -o evaluation");
  command->callback([options] { evaluate(*options); });
}

}  // namespace scalekv::cli
