// scalekv bench: what a picture takes in time, beside what this machine can do.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "cache/budget.h"
#include "cache/policy.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/cache_choice.h"
#include "engine/measure.h"
#include "engine/memory_plan.h"
#include "kernels/gemm_peak.h"
#include "kernels/machine.h"
#include "runtime/threads.h"
#include "study/curves.h"

namespace scalekv::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  RequestOptions request;
  engine::MeasureOptions measure;
  int scales = 0;  // to run; fewer make a short measurement of a large model; 0: all
  std::vector<std::string> sizes, budgets;
  std::vector<int> batches;
  bool no_text_encoder = false;
  bool no_decode = false;
  std::filesystem::path csv, plot;
};

struct BenchRun {
  engine::ResolvedRequest resolved;
  engine::Measurement measured;
  std::int64_t planned_bytes = 0;
  double predicted_seconds = 0.0;

  const Request& request() const { return resolved.request; }
  const cache::Policy& policy() const { return resolved.generation.policy; }
  const std::string& size() const { return resolved.generation.schedule.size; }
};

double rate(const engine::Component& component) {
  return component.seconds > 0.0 ? component.work.operations / component.seconds / 1e9 : 0.0;
}

double share_of_peak(const engine::Component& component) {
  return component.peak > 0.0 ? rate(component) / component.peak : 0.0;
}

// A list beside the single value that it takes the place of, and what has nothing to act on.
void check_combinations(const BenchOptions& options) {
  const auto exclude = [&](const char* one, const char* other, const char* why) {
    if (options.request.given(one) && options.request.given(other)) {
      fail_usage("{} and {} exclude each other: {}; leave one of them out", one, other, why);
    }
  };
  exclude("--size", "--sizes", "a list says every size");
  exclude("--batch", "--batches", "a list says every batch");
  exclude("--budget", "--budgets", "a list says every budget");
  exclude("--no-text-encoder", "--keep-text-encoder", "without it there is nothing to keep");
  const bool all_full = !options.budgets.empty() && std::count(options.budgets.begin(), options.budgets.end(),
                                                               "full") == std::ssize(options.budgets);
  for (const char* option : {"--budget-file", "--policy", "--selector"}) {
    const bool loses =
        all_full && options.request.given(option) && !cache::keeps_all(options.request.request.cache.policy);
    if (loses) fail_usage("--budgets full draws with the full cache only, so {} would not act; leave it out", option);
  }
}

// One of --budgets: "full", or a share for the policy; a budget file has its own.
CacheSettings cache_of(const CacheSettings& base, const std::string& budget) {
  if (budget == "full") return engine::with_policy(base, cache::kFullPolicy);
  if (cache::keeps_all(base.policy)) {
    fail_usage("the policy {} keeps everything, not {}; name another --policy", base.policy, budget);
  }
  CacheSettings cache = base;
  cache.budget = cache::parse_share(budget);
  const bool fixed = !base.budgets.empty() && !cache::read_budget_claims(base.budgets_text).open;
  if (fixed && cache.budget != base.budget) {
    fail_usage("{} is not of a budget of {}; name full and its own in --budgets, or leave out --budget-file",
               base.budgets.string(), budget);
  }
  return cache;
}

std::vector<Request> requests_of(const BenchOptions& options) {
  check_combinations(options);
  const Request base = options.request.parsed();
  const std::vector<std::string> sizes = options.sizes.empty() ? std::vector{base.size} : options.sizes;
  const std::vector<int> batches = options.batches.empty() ? std::vector{base.batch} : options.batches;
  std::vector<Request> requests;
  for (const std::string& size : sizes) {
    for (const int batch : batches) {
      Request request = base;
      request.prompt = "any";
      request.size = size;
      request.batch = request.images = batch;
      if (options.budgets.empty()) requests.push_back(request);
      for (const std::string& budget : options.budgets) {
        request.cache = cache_of(base.cache, budget);
        requests.push_back(request);
      }
    }
  }
  return requests;
}

constexpr std::array kNames = {"text encoder", "linear", "attention", "cross-attention", "selection", "rest", "VAE"};
// Those that multiply matrices: which product serves them differs from machine to machine.
constexpr std::array kMultiplying = {"text encoder", "linear"};

double operations(const BenchRun& run) {
  double sum = 0.0;
  for (const engine::Component& component : run.measured.components) sum += component.work.operations;
  return sum;
}

// Seconds that each run's operations take at the rates of the run with the most of them: measured times grow as
// operations do where they agree.
void predict(std::span<BenchRun> runs) {
  const BenchRun& largest = *std::max_element(
      runs.begin(), runs.end(), [](const BenchRun& a, const BenchRun& b) { return operations(a) < operations(b); });
  std::map<std::string, double> rates;
  for (const char* name : kNames) rates[name] = rate(largest.measured.sum(name));
  const double rest = largest.measured.sum("rest").seconds / largest.measured.sum("linear").work.operations;
  for (BenchRun& run : runs) {
    run.predicted_seconds = rest * run.measured.sum("linear").work.operations;
    for (const char* name : kNames) {
      if (rates[name] > 0.0) run.predicted_seconds += run.measured.sum(name).work.operations / rates[name] / 1e9;
    }
  }
}

std::string name_of_cache(const BenchRun& run) { return cache_name(run.request().cache, run.policy().name); }

// Its share; null where a budget file does not say.
nlohmann::ordered_json budget_of(const BenchRun& run) {
  return cache::keeps_all(run.policy().name) ? nlohmann::ordered_json(1.0) : budget_json(run.request().cache);
}

nlohmann::ordered_json to_json(const BenchRun& run, const model::ModelSizes& sizes) {
  const engine::Measurement& measured = run.measured;
  const engine::Component linear = measured.sum("linear"), attention = measured.sum("attention");
  nlohmann::ordered_json report = {{"model", sizes.name},
                                   {"size", run.size()},
                                   {"batch", run.request().batch},
                                   {"policy", run.policy().name},
                                   {"budget", budget_of(run)},
                                   {"cache", run.policy().facts},
                                   {"weights", weight_type_name(sizes.weights)},
                                   {"kv", run.request().cache.precision},
                                   {"threads", threads()},
                                   {"machine", kernels::machine_description()},
                                   {"gemm_peak_gops", linear.peak},
                                   {"gemm_peak_gops_range", measured.peaks.at(sizes.weights)},
                                   {"gemm_peak_gops_f32", attention.peak},
                                   {"linear_gops", rate(linear)},
                                   {"attention_gops", rate(attention)},
                                   {"vae_gops", rate(measured.sum("VAE"))},
                                   {"seconds", measured.seconds},
                                   {"seconds_text", measured.seconds_text},
                                   {"seconds_transformer", measured.seconds_transformer},
                                   {"seconds_decode", measured.seconds_decode},
                                   {"kv_bytes_peak", measured.kv_bytes_peak},
                                   {"ledger_bytes_peak", measured.ledger_peak},
                                   {"total_bytes_planned", run.planned_bytes},
                                   {"rss_peak_bytes", measured.rss_peak_bytes},
                                   {"products", nlohmann::ordered_json::object()},
                                   {"components", nlohmann::ordered_json::array()}};
  for (const char* name : kMultiplying) report["products"][name] = measured.sum(name).work.products;
  for (const engine::Component& component : measured.components) {
    report["components"].push_back({{"name", component.name},
                                    {"scale", component.scale + 1},
                                    {"operations", component.work.operations},
                                    {"bytes", component.work.bytes},
                                    {"seconds", component.seconds},
                                    {"gops", rate(component)},
                                    {"of_peak", share_of_peak(component)}});
  }
  return report;
}

void print_component(const std::string& name, const engine::Component& component, double total) {
  fmt::print("{:<26} {:>10.2f} {:>10.1f} {:>9.3f} {:>6.1f}%", name, component.work.operations / 1e9,
             component.work.bytes / 1e6, component.seconds, 100.0 * component.seconds / total);
  if (component.work.operations > 0.0 && component.seconds > 0.0) {
    fmt::print(" {:>9.1f} {:>7.0f}% {:>8.1f}", rate(component), 100.0 * share_of_peak(component),
               component.work.bytes / component.seconds / 1e9);
  }
  fmt::print("\n");
}

void print_table(const BenchRun& run, const model::ModelSizes& sizes) {
  const engine::Measurement& measured = run.measured;
  fmt::print("{} at {}, {} together, {}, weights {}, KV {}, {} threads; {}\n", sizes.name, run.size(),
             run.request().batch, name_of_cache(run), weight_type_name(sizes.weights), run.request().cache.precision,
             threads(), kernels::machine_description());
  Settings cache = run.policy().facts;
  cache["policy"] = run.policy().name;
  fmt::print("cache: {}\n", cache_line(cache));
  for (const auto& [type, range] : measured.peaks) {
    fmt::print("products of matrices before, in and after the run, {}: {:.1f} to {:.1f} GOP/s\n",
               weight_type_name(type), range.first, range.second);
  }
  for (const char* name : kMultiplying) {
    const auto products = measured.sum(name).work.products;
    if (!products.empty()) fmt::print("{} by: {}\n", name, fmt::join(products, ", "));
  }
  fmt::print("{:<26} {:>10} {:>10} {:>9} {:>7} {:>9} {:>8} {:>8}\n", "", "GOP", "MB", "seconds", "", "GOP/s", "of peak",
             "GB/s");
  for (const engine::Component& component : measured.components) {
    const std::string name =
        component.scale < 0 ? component.name : fmt::format("  scale {:>2}, {}", component.scale + 1, component.name);
    const bool worth_a_line = component.seconds > 0.005 * measured.seconds;
    if (worth_a_line) print_component(name, component, measured.seconds);
  }
  fmt::print("all scales\n");
  for (const char* name : kNames) {
    const engine::Component sum = measured.sum(name);
    if (sum.seconds > 0.0) print_component(name, sum, measured.seconds);
  }
  fmt::print("{:.3f} s (text {:.3f}, transformer {:.3f}, decoding {:.3f})\n", measured.seconds, measured.seconds_text,
             measured.seconds_transformer, measured.seconds_decode);
  fmt::print("peak: KV {:.1f} MB, all in the ledger {:.1f} MB (planned {:.1f}), process {:.1f} MB\n",
             static_cast<double>(measured.kv_bytes_peak) / 1e6, static_cast<double>(measured.ledger_peak) / 1e6,
             static_cast<double>(run.planned_bytes) / 1e6, static_cast<double>(measured.rss_peak_bytes) / 1e6);
}

std::string to_csv(std::span<const BenchRun> runs, const model::ModelSizes& sizes) {
  std::string text =
      "model,size,batch,policy,budget,weights,kv,seconds,seconds_predicted,seconds_text,seconds_transformer,"
      "seconds_decode,operations,linear_gops,attention_gops,vae_gops,kv_bytes_peak,ledger_bytes_peak,"
      "total_bytes_planned,rss_peak_bytes\n";
  for (const BenchRun& run : runs) {
    const engine::Measurement& m = run.measured;
    text +=
        fmt::format("{},{},{},{},{},{},{},{:.4f},{:.4f},{:.4f},{:.4f},{:.4f},{:.0f},{:.1f},{:.1f},{:.1f},{},{},{},{}\n",
                    sizes.name, run.size(), run.request().batch, run.policy().name,
                    budget_of(run).is_null() ? "" : fmt::format("{:g}", budget_of(run).get<double>()),
                    weight_type_name(sizes.weights), run.request().cache.precision, m.seconds, run.predicted_seconds,
                    m.seconds_text, m.seconds_transformer, m.seconds_decode, operations(run), rate(m.sum("linear")),
                    rate(m.sum("attention")), rate(m.sum("VAE")), m.kv_bytes_peak, m.ledger_peak, run.planned_bytes,
                    m.rss_peak_bytes);
  }
  return text;
}

// Seconds over operations, measured and predicted, a line for each batch and budget.
std::string to_plot(std::span<const BenchRun> runs, const model::ModelSizes& sizes) {
  const std::string one = name_of_cache(runs.front());
  const bool alike =
      std::all_of(runs.begin(), runs.end(), [&](const BenchRun& run) { return name_of_cache(run) == one; });
  std::vector<study::Curve> curves;
  const auto curve_of = [&](const BenchRun& run, bool predicted) -> study::Curve& {
    const std::string name = fmt::format("batch {}{}{}", run.request().batch, alike ? "" : ", " + name_of_cache(run),
                                         predicted ? ", predicted" : "");
    for (study::Curve& curve : curves) {
      if (curve.name == name) return curve;
    }
    curves.push_back({.name = name, .points = {}, .dashed = predicted});
    return curves.back();
  };
  for (const BenchRun& run : runs) {
    const auto add = [&](bool predicted, double seconds) {
      curve_of(run, predicted).points.push_back({operations(run) / 1e9, {seconds, seconds, seconds}});
    };
    add(false, run.measured.seconds);
    add(true, run.predicted_seconds);
  }
  return study::curves_svg(fmt::format("{}, weights {}{}: time over operations", sizes.name,
                                       weight_type_name(sizes.weights), alike ? ", " + one : ""),
                           {.name = "billion operations", .logarithmic = true},
                           {.name = "seconds", .logarithmic = true}, curves);
}

void print_series(std::span<const BenchRun> runs) {
  fmt::print("{:<8} {:>6} {:>15} {:>10} {:>10} {:>8}\n", "size", "batch", "cache", "seconds", "predicted", "ratio");
  for (const BenchRun& run : runs) {
    fmt::print("{:<8} {:>6} {:>15} {:>10.3f} {:>10.3f} {:>8.2f}\n", run.size(), run.request().batch, name_of_cache(run),
               run.measured.seconds, run.predicted_seconds, run.measured.seconds / run.predicted_seconds);
  }
}

// What a run will take; throws Error where that is too much.
BenchRun plan_run(const BenchOptions& options, const std::shared_ptr<const engine::ModelFiles>& files,
                  const Request& request) {
  engine::MemoryQuestion question =
      engine::make_question(files, engine::resolve_request(*files, request, options.scales));
  question.texts.prompt = options.measure.prompt_tokens;
  question.text_encoder = options.measure.text_encoder;
  question.decode = options.measure.decode;
  options.model.require_memory(question);
  return {.resolved = question.request, .measured = {}, .planned_bytes = engine::answer(question).peak()};
}

void bench(const BenchOptions& options) {
  for (const auto& file : {options.csv, options.plot}) {
    if (!file.empty()) check_writable(file);
  }
  const std::vector<Request> requests = requests_of(options);
  auto files = options.model.open_files();
  std::vector<BenchRun> runs;
  for (const Request& request : requests) runs.push_back(plan_run(options, files, request));
  const auto model = engine::load_model(std::move(files));
  const model::ModelSizes& sizes = model->sizes;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    BenchRun& run = runs[i];
    run.measured = engine::measure(*model, run.resolved, options.measure);
    // What is finished is told and written, should a later one be cut off.
    const auto done = std::span(runs).first(i + 1);
    predict(done);
    if (!options.csv.empty()) write_file(options.csv, to_csv(done, sizes));
    if (!options.plot.empty()) write_file(options.plot, to_plot(done, sizes));
    if (!options.model.json && !options.model.quiet) print_table(run, sizes);
    std::fflush(stdout);
  }
  if (options.model.json) {
    nlohmann::ordered_json reports = nlohmann::ordered_json::array();
    for (const BenchRun& run : runs) reports.push_back(to_json(run, sizes));
    fmt::print("{}\n", (runs.size() == 1 ? reports[0] : reports).dump(2));
  } else if (!options.model.quiet && runs.size() > 1) {
    print_series(runs);
  }
}

}  // namespace

void add_bench_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "measure where time goes, beside what this machine can do");
  auto options = std::make_shared<BenchOptions>();
  options->request.add_to(*command);
  // What neither the time nor the memory depends on.
  for (const char* unused : {"prompt", "--negative", "--face-prompt", "--seed", "--tau", "--top-p", "--top-k"}) {
    command->remove_option(command->get_option(unused));
  }
  add_number(*command, "--batch", options->request.request.batch, "pictures to draw together")->capture_default_str();
  std::optional<Heading> heading(std::in_place, *command, "Measurement");
  command->add_option("--sizes", options->sizes, "several sizes: 0.06M,0.25M")->type_name("SIZE")->delimiter(',');
  command->add_option("--budgets", options->budgets, "several budgets: full,10%,4%")->delimiter(',');
  add_numbers(*command, "--batches", options->batches, "several batches: 1,2,4");
  add_number(*command, "--prompt-tokens", options->measure.prompt_tokens, "length of the prompt",
             {1, text::kMaxPromptTokens})
      ->capture_default_str();
  command->add_flag("--no-text-encoder", options->no_text_encoder, "random features in place of a text");
  command->add_flag("--no-decode", options->no_decode, "leave the VAE out");
  add_number(*command, "--scales", options->scales, "only the first scales; 0: all", {.least = 0});
  command->add_option("--csv", options->csv, "a line for each run")->type_name("FILE");
  command->add_option("--plot", options->plot, "time over operations (SVG)")->type_name("FILE");
  heading.reset();
  options->model.add_to(*command);
  command->footer(
      "Several runs: --json prints a list of reports; --csv and --plot are written anew after each.\n"
      "Example: scalekv bench --arch infinity-2b --random --size 0.25M --csv runs.csv");
  command->callback([options] {
    options->measure.text_encoder = !options->no_text_encoder;
    options->measure.decode = !options->no_decode;
    options->measure.product_rate = kernels::measure_gemm_peak;
    bench(*options);
  });
}

}  // namespace scalekv::cli
