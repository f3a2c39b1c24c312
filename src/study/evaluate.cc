#include "study/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/numbers.h"
#include "engine/cache_choice.h"
#include "engine/description.h"
#include "engine/pipeline_access.h"
#include "study/evaluation_log.h"
#include "study/evaluation_table.h"

namespace scalekv::study {
namespace {

std::filesystem::path picture_file(const EvaluateOptions& options, std::size_t prompt, const PolicySetting& setting,
                                   const char* what) {
  return options.out / "pictures" /
         fmt::format("{:05}-{}-{:g}-{}.png", prompt, setting.policy, setting.budget * 100.0, what);
}

std::filesystem::path log_file(const EvaluateOptions& options) { return options.out / "samples.jsonl"; }

// Every name is a policy's, and every option is for one of them.
void check_policies(const CacheSettings& settings, const std::vector<std::string>& policies) {
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
    fail_usage("`selector` {} is for {}; name one of them", settings.selector, cache::in_words(takers, "and"));
  }
  if (!calibration)
    fail_usage("none of these policies reads `calibration` {}; leave it out", settings.calibration.string());
}

void add(std::vector<PolicySetting>& settings, const PolicySetting& setting) {
  if (std::find(settings.begin(), settings.end(), setting) == settings.end()) settings.push_back(setting);
}

// What `auto` comes to takes its place.
std::vector<PolicySetting> chosen(const std::vector<PolicySetting>& settings, const Evaluation& evaluation) {
  std::vector<PolicySetting> named;
  for (const PolicySetting& setting : settings) add(named, {evaluation.policy_name(setting), setting.budget});
  return named;
}

// What all samples have in common. The pictures of every policy hang on the calibration, too.
Settings common_settings(engine::Model& model, const CacheSettings& cache, const engine::ResolvedRequest& with_full) {
  Settings settings = engine::describe_run(engine::describe_request(model, with_full), model);
  settings.erase("policy");
  settings["selector"] = cache::selector_name(cache.selector);
  settings["calibration_sha256"] = engine::calibration_fingerprint(model.file, model.options, cache.calibration);
  return settings;
}

// The settings that have every prompt so far, as rows.
std::vector<EvaluationRow> make_rows(const Evaluation& evaluation, const EvaluationLog& log,
                                     const std::vector<PolicySetting>& settings, std::size_t prompts) {
  std::vector<EvaluationRow> rows;
  for (const PolicySetting& setting : settings) {
    std::vector<Sample> samples;
    for (const Sample& sample : log.samples()) {
      if (sample.setting == setting && sample.prompt < prompts) samples.push_back(sample);
    }
    if (!samples.empty()) rows.push_back(make_row(setting, evaluation.bytes(setting), samples));
  }
  return rows;
}

// What a picture of a prompt under a setting says of itself.
using Describe = std::function<Settings(std::size_t prompt, const PolicySetting& setting)>;

// Pictures of the first prompts, and the tokens that every policy keeps of the first one at 10% (or the last budget).
void write_page(const EvaluateOptions& options, const std::string& model, const Evaluation& evaluation,
                const std::vector<PolicySetting>& settings, const std::vector<EvaluationRow>& rows,
                const Describe& describe) {
  const auto caption = [](const PolicySetting& setting) {
    return fmt::format("{}, {:g}%", setting.policy, setting.budget * 100.0);
  };
  std::vector<PageStrip> strips;
  const std::size_t prompts = evaluation.prompts().prompts.size();
  for (std::size_t prompt = 0; prompt < std::min(prompts, static_cast<std::size_t>(options.strips)); ++prompt) {
    PageStrip strip{evaluation.prompts().prompts[prompt], {}};
    for (const PolicySetting& setting : settings) {
      const std::filesystem::path file = picture_file(options, prompt, setting, "drawn");
      if (std::filesystem::exists(file)) strip.pictures.push_back({caption(setting), file});
    }
    strips.push_back(std::move(strip));
  }
  PageStrip sheets{evaluation.prompts().prompts.front(), {}};
  std::vector<std::string> seen;
  for (const PolicySetting& setting : settings) {
    const bool middle = std::abs(setting.budget - 0.10) < 1e-9 || setting.budget == settings.back().budget;
    if (!middle || std::find(seen.begin(), seen.end(), setting.policy) != seen.end()) continue;
    seen.push_back(setting.policy);
    const std::filesystem::path file = picture_file(options, 0, setting, "tokens");
    Settings text = describe(0, setting);
    text["picture"] = "tokens that the cache keeps";
    evaluation.draw_tokens(setting).write_png(file, text);
    sheets.pictures.push_back({caption(setting), file});
  }
  write_file(options.out / "evaluation.html", evaluation_page(model, rows, strips, sheets));
  write_file(options.out / "kl.svg", divergence_curves(rows));
}

}  // namespace

std::vector<PolicySetting> list_settings(const CacheSettings& cache, const EvaluateOptions& options) {
  std::vector<std::string> policies = options.policies;
  if (policies.empty()) {
    for (const cache::PolicyFacts& facts : cache::known_policies()) {
      if (!facts.chooses) policies.push_back(facts.name);
    }
  }
  if (options.budgets.empty()) fail_usage("there is nothing to evaluate; name policies and budgets");
  for (const double budget : options.budgets) cache::check_policy_request({.name = policies.front(), .share = budget});
  check_policies(cache, policies);
  std::vector<PolicySetting> settings;
  for (const std::string& policy : policies) {
    for (const double budget : options.budgets) add(settings, {policy, cache::kept_share(policy, budget)});
  }
  return settings;
}

void make_evaluation_folder(const EvaluateOptions& options) {
  std::error_code failed;
  std::filesystem::create_directories(options.out / "pictures", failed);
  if (failed) fail("{} cannot be made: {}", options.out.string(), failed.message());
}

std::vector<EvaluationRow> run_evaluation(engine::Model& model, const Request& request, EvaluationPrompts prompts,
                                          const std::vector<PolicySetting>& asked, EvaluationRequests resolved,
                                          const EvaluateOptions& options, const WorkCallback& progress) {
  if (options.fresh) std::filesystem::remove(log_file(options));
  const Settings common = common_settings(model, request.cache, resolved.full);
  const Evaluation evaluation(model, request, std::move(prompts), std::move(resolved.settings));
  const std::vector<std::string>& texts = evaluation.prompts().prompts;
  const std::vector<PolicySetting> settings = chosen(asked, evaluation);
  for (const PolicySetting& setting : settings) evaluation.bytes(setting);  // wrong ones fail now, not later
  const Describe describe = [&](std::size_t prompt, const PolicySetting& setting) {
    return engine::describe_picture(model, evaluation.request_of(setting, prompt));
  };
  EvaluationLog log(log_file(options), common, evaluation.prompts().sha256());
  for (std::size_t prompt = 0; prompt < texts.size(); ++prompt) {
    std::vector<PolicySetting> missing;
    for (const PolicySetting& setting : settings) {
      if (!log.has(setting, prompt)) missing.push_back(setting);
    }
    if (missing.empty()) continue;
    const auto go_on = [&] {
      const double share = static_cast<double>(prompt) / static_cast<double>(texts.size());
      if (progress && !progress(share, texts[prompt])) throw Cancelled();
    };
    go_on();
    evaluation.run(prompt, missing, [&](Sample sample, const Image& image) {
      if (prompt < static_cast<std::size_t>(options.strips)) {
        image.write_png(picture_file(options, prompt, sample.setting, "drawn"), describe(prompt, sample.setting));
      }
      log.add(std::move(sample));
      go_on();
    });
  }
  const std::vector<EvaluationRow> rows = make_rows(evaluation, log, settings, texts.size());
  write_file(options.out / "evaluation.json", to_json(rows, request.seed));
  write_file(options.out / "evaluation.csv", to_csv(rows));
  write_file(options.out / "evaluation.md", to_markdown(rows));
  write_page(options, model.sizes.name, evaluation, settings, rows, describe);
  return rows;
}

}  // namespace scalekv::study

namespace scalekv {

std::vector<EvaluationRow> evaluate(Pipeline& pipeline, const Request& request, const std::vector<std::string>& prompts,
                                    const EvaluateOptions& options, const WorkCallback& progress) {
  const Runtime::Scope scope(PipelineAccess::runtime(pipeline));
  engine::Model& model = PipelineAccess::model(pipeline);
  if (prompts.empty()) fail_usage("there are no prompts; say what to draw");
  check_seeds(request.seed, prompts.size());
  const std::vector<study::PolicySetting> settings = study::list_settings(request.cache, options);
  const study::EvaluationPrompts list{prompts, {}};
  engine::TextLengths longest{.held = list.drawn().held_tokens(*model.tokenizer)};
  for (const std::string& prompt : prompts) longest.prompt = std::max(longest.prompt, model.tokenizer->count(prompt));
  std::int64_t peak = 0, held = 0;
  engine::ResolvedRequest largest;
  auto resolved = study::resolve_evaluation(model, request, settings, [&](const engine::ResolvedRequest& one) {
    held = study::Evaluation::held_bytes(model.sizes.transformer, one.generation.schedule);
    const engine::MemoryPlan plan =
        engine::plan_memory(*model.backend, model.sizes, one, longest, model.options.keep_text_encoder);
    const std::int64_t bytes = std::max(plan.encoding, std::max(plan.drawing, plan.decoding) + held);
    if (bytes > peak) largest = one;
    peak = std::max(peak, bytes);
  });
  const engine::MemoryClaim claim = engine::claim_memory(peak, model.options, [&] {
    auto question = engine::make_question(engine::files_of(model), largest, prompts);
    question.held = held;
    question.texts.held = longest.held;
    return question;
  });
  study::make_evaluation_folder(options);
  return study::run_evaluation(model, request, list, settings, std::move(resolved), options, progress);
}

}  // namespace scalekv
