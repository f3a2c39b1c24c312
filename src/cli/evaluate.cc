// scalekv evaluate: cache policies side by side, against the full cache.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/numbers.h"
#include "base/seed.h"
#include "cache/policy.h"
#include "cli/commands.h"
#include "cli/number_options.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_settings.h"
#include "engine/cache_choice.h"
#include "engine/description.h"
#include "engine/fingerprint.h"
#include "study/evaluation.h"
#include "study/evaluation_log.h"
#include "study/evaluation_page.h"
#include "study/evaluation_table.h"

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

  std::filesystem::path picture(std::size_t prompt, const study::PolicySetting& setting, const char* what) const {
    return out / "pictures" / fmt::format("{:05}-{}-{:g}-{}.png", prompt, setting.policy, setting.budget * 100.0, what);
  }
};

// Every name is a policy's, and every option is for one of them.
void check_options(const EvaluateOptions& options, const std::vector<std::string>& policies) {
  const CacheSettings& settings = options.request.request.cache;
  bool selector = settings.selector.empty(), calibration = settings.calibration.empty();
  for (const std::string& policy : policies) {
    engine::check_cache_settings(engine::with_policy(settings, policy));
    selector = selector || cache::takes_selector(policy);
    calibration = calibration || cache::takes_calibration(policy);
  }
  if (!selector) {
    std::vector<std::string> takers;
    for (const cache::PolicyFacts& facts : cache::known_policies()) {
      if (!facts.chooses && cache::takes_selector(facts.name)) takers.push_back(facts.name);
    }
    fail_usage("--selector {} is for {}; name one of them", settings.selector, cache::in_words(takers, "and"));
  }
  if (!calibration)
    fail_usage("none of these policies reads --calibration {}; leave it out", settings.calibration.string());
}

void add(std::vector<study::PolicySetting>& settings, const study::PolicySetting& setting) {
  if (std::find(settings.begin(), settings.end(), setting) == settings.end()) settings.push_back(setting);
}

// Every policy with every budget; the full cache once, with all of it.
std::vector<study::PolicySetting> parse_settings(const EvaluateOptions& options) {
  std::vector<std::string> policies;
  if (options.policies == "all") {
    for (const cache::PolicyFacts& facts : cache::known_policies()) {
      if (!facts.chooses) policies.push_back(facts.name);
    }
  } else {
    policies = split_list(options.policies);
  }
  std::vector<double> budgets;
  for (const std::string& budget : split_list(options.budgets)) {
    budgets.push_back(cache::parse_share(budget.ends_with('%') ? budget : budget + "%"));
  }
  if (policies.empty() || budgets.empty()) fail_usage("there is nothing to evaluate; name policies and budgets");
  check_options(options, policies);
  if (options.request.given("--budgets") && policies.size() == 1 && cache::keeps_all(policies.front())) {
    fail_usage("the policy {} keeps everything; leave out --budgets, or name more --policies", policies.front());
  }
  std::vector<study::PolicySetting> settings;
  for (const std::string& policy : policies) {
    for (const double budget : budgets) add(settings, {policy, cache::kept_share(policy, budget)});
  }
  return settings;
}

// `auto` is replaced by the policy that it chooses.
std::vector<study::PolicySetting> chosen(const std::vector<study::PolicySetting>& settings,
                                         const study::Evaluation& evaluation) {
  std::vector<study::PolicySetting> named;
  for (const study::PolicySetting& setting : settings) add(named, {evaluation.policy_name(setting), setting.budget});
  return named;
}

// What all samples have in common. The pictures of every policy depend on the calibration, too.
Settings common_settings(const EvaluateOptions& options, engine::Model& model, const CacheSettings& cache,
                         const engine::ResolvedRequest& with_full) {
  Settings settings = run_settings(engine::describe_request(model, with_full), model);
  settings.erase("policy");
  settings["selector"] = cache.selector.empty() ? "reference" : cache.selector;
  settings["calibration_sha256"] =
      engine::calibration_fingerprint(options.model.model, options.model.open, cache.calibration);
  return settings;
}

// The settings that have every prompt so far, as rows.
std::vector<study::EvaluationRow> make_rows(const study::Evaluation& evaluation, const study::EvaluationLog& log,
                                            const std::vector<study::PolicySetting>& settings, std::size_t prompts) {
  std::vector<study::EvaluationRow> rows;
  for (const study::PolicySetting& setting : settings) {
    std::vector<study::Sample> samples;
    for (const study::Sample& sample : log.samples()) {
      if (sample.setting == setting && sample.prompt < prompts) samples.push_back(sample);
    }
    if (!samples.empty()) rows.push_back(study::make_row(setting, evaluation.bytes(setting), samples));
  }
  return rows;
}

// What a picture of a prompt under a setting says of itself.
using Describe = std::function<Settings(std::size_t prompt, const study::PolicySetting& setting)>;

// Pictures of the first prompts, and the tokens that every policy keeps of the first one at 10% (or the last budget).
void write_page(const EvaluateOptions& options, const std::string& model, const study::Evaluation& evaluation,
                const std::vector<study::PolicySetting>& settings, const std::vector<study::EvaluationRow>& rows,
                const Describe& describe) {
  const auto caption = [](const study::PolicySetting& setting) {
    return fmt::format("{}, {:g}%", setting.policy, setting.budget * 100.0);
  };
  std::vector<study::PageStrip> strips;
  const std::size_t prompts = evaluation.prompts().prompts.size();
  for (std::size_t prompt = 0; prompt < std::min(prompts, static_cast<std::size_t>(options.strips)); ++prompt) {
    study::PageStrip strip{evaluation.prompts().prompts[prompt], {}};
    for (const study::PolicySetting& setting : settings) {
      const std::filesystem::path file = options.picture(prompt, setting, "drawn");
      if (std::filesystem::exists(file)) strip.pictures.push_back({caption(setting), file});
    }
    strips.push_back(std::move(strip));
  }
  study::PageStrip sheets{evaluation.prompts().prompts.front(), {}};
  std::vector<std::string> seen;
  for (const study::PolicySetting& setting : settings) {
    const bool middle = std::abs(setting.budget - 0.10) < 1e-9 || setting.budget == settings.back().budget;
    if (!middle || std::find(seen.begin(), seen.end(), setting.policy) != seen.end()) continue;
    seen.push_back(setting.policy);
    const std::filesystem::path file = options.picture(0, setting, "tokens");
    Settings text = describe(0, setting);
    text["picture"] = "tokens that the cache keeps";
    evaluation.draw_tokens(0, setting).write_png(file, text);
    sheets.pictures.push_back({caption(setting), file});
  }
  write_file(options.out / "evaluation.html", study::evaluation_page(model, rows, strips, sheets));
  write_file(options.out / "kl.svg", study::divergence_curves(rows));
}

// The request of every setting. Each is drawn twice, with the full cache's run at hand to compare with; throws Error
// where that takes too much memory.
study::ResolvedSettings resolve_settings(const EvaluateOptions& options,
                                         const std::shared_ptr<const engine::ModelFiles>& files,
                                         const engine::ResolvedRequest& with_full, const Request& request,
                                         const std::vector<study::PolicySetting>& settings,
                                         std::span<const std::string> prompts) {
  engine::MemoryQuestion question = engine::make_question(files, with_full, prompts);
  question.held = study::Evaluation::held_bytes(files->sizes.transformer, with_full.generation.schedule);
  options.model.require_memory(question);
  study::ResolvedSettings resolved;
  for (const study::PolicySetting& setting : settings) {
    question.request = engine::resolve_request(*files, study::with_setting(request, setting));
    options.model.require_memory(question);
    resolved.emplace(std::pair(setting.policy, setting.budget), question.request);
  }
  return resolved;
}

void evaluate(EvaluateOptions options) {
  const std::vector<study::PolicySetting> asked = parse_settings(options);
  study::EvaluationPrompts prompts = study::read_evaluation_prompts(options.prompts);
  take_first(prompts.prompts, options.count, options.prompts.string(), options.model.quiet);
  if (!prompts.captions.empty()) prompts.captions.resize(prompts.prompts.size());
  if (!options.fresh) keep_random_seed(options.request, study::recorded_settings(options.out / "samples.jsonl"));
  Request request = options.request.parsed();
  check_seeds(request.seed, prompts.prompts.size());
  request.prompt = "any";  // each of the list takes its place
  auto files = options.model.open_files();
  Request full_request = request;
  full_request.cache = engine::with_policy(request.cache, cache::kFullPolicy);
  const engine::ResolvedRequest with_full = engine::resolve_request(*files, full_request);
  study::ResolvedSettings resolved = resolve_settings(options, files, with_full, request, asked, prompts.prompts);
  std::error_code failed;
  std::filesystem::create_directories(options.out / "pictures", failed);
  if (failed) fail("{} cannot be made: {}", options.out.string(), failed.message());
  check_writable(options.out / "samples.jsonl");
  if (options.fresh) std::filesystem::remove(options.out / "samples.jsonl");

  const auto model = engine::load_model(std::move(files));
  const study::Evaluation evaluation(*model, request, std::move(prompts), std::move(resolved));
  const std::size_t count = evaluation.prompts().prompts.size();
  const std::vector<study::PolicySetting> settings = chosen(asked, evaluation);
  for (const study::PolicySetting& setting : settings) evaluation.bytes(setting);  // wrong ones fail now, not later
  const Settings common = common_settings(options, *model, request.cache, with_full);
  const Describe describe = [&](std::size_t prompt, const study::PolicySetting& setting) {
    return engine::describe_picture(*model, evaluation.request_of(setting, prompt));
  };
  study::EvaluationLog log(options.out / "samples.jsonl", common, evaluation.prompts().sha256());
  {
    ProgressBar bar("evaluate", options.model.quiet);
    const ProgressCallback interrupted = bar.callback();
    for (std::size_t prompt = 0; prompt < count; ++prompt) {
      std::vector<study::PolicySetting> missing;
      for (const study::PolicySetting& setting : settings) {
        if (!log.has(setting, prompt)) missing.push_back(setting);
      }
      if (missing.empty()) continue;
      bar.show(static_cast<double>(prompt) / static_cast<double>(count), evaluation.prompts().prompts[prompt]);
      evaluation.run(prompt, missing, [&](study::Sample sample, const Image& image) {
        if (prompt < static_cast<std::size_t>(options.strips)) {
          image.write_png(options.picture(prompt, sample.setting, "drawn"), describe(prompt, sample.setting));
        }
        log.add(std::move(sample));
        if (!interrupted({.scales = 1})) throw Cancelled();
      });
    }
  }
  const std::vector<study::EvaluationRow> rows = make_rows(evaluation, log, settings, count);
  write_file(options.out / "evaluation.json", study::to_json(rows, request.seed));
  write_file(options.out / "evaluation.csv", study::to_csv(rows));
  write_file(options.out / "evaluation.md", study::to_markdown(rows));
  write_page(options, model->sizes.name, evaluation, settings, rows, describe);
  if (options.model.json) {
    fmt::print("{}", study::to_json(rows, request.seed));
  } else if (!options.model.quiet) {
    fmt::print("{}{}/evaluation.json, .csv, .md and .html hold the same; pictures from seed {} on\n",
               study::to_markdown(rows), options.out.string(), request.seed);
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
  add_number(*command, "-n,--count", options->count, "prompts to take; 0: all", {.least = 0})->capture_default_str();
  command->add_option("-o,--out", options->out, "folder for the results; an evaluation that was cut short goes on")
      ->capture_default_str();
  add_number(*command, "--strips", options->strips, "prompts whose pictures are kept and shown", {.least = 0})
      ->capture_default_str();
  command->add_flag("--fresh", options->fresh, "begin anew, whatever the folder holds");
  options->model.add_to(*command);
  command->footer(
      "Example: scalekv evaluate --prompts models/shapes-test-captions.jsonl -n 200 --policies all "
      "--budgets 20,10,4,2,1 -o evaluation");
  command->callback([options] { evaluate(*options); });
}

}  // namespace scalekv::cli
