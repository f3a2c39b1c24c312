// scalekv compare: the same seed with the full cache and with a policy.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/image.h"
#include "base/settings.h"
#include "cli/commands.h"
#include "cli/metric_options.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/cache_choice.h"
#include "engine/description.h"
#include "engine/run.h"
#include "runtime/ledger.h"
#include "study/metrics.h"

namespace scalekv::cli {
namespace {

struct CompareOptions {
  ModelOptions model;
  RequestOptions request;
  std::filesystem::path out = "compare";
};

struct Run {
  Image image;
  Statistics statistics;
  PromptLength prompt;
  std::int64_t kv_bytes_now = 0;  // after the last scale, the peak being before
};

Run draw(engine::Model& model, const engine::ResolvedRequest& request, const std::string& title, bool quiet) {
  ProgressBar bar(title, quiet);
  std::int64_t kv_bytes_now = 0;
  Result result = engine::run(model, request, [&, show = bar.callback()](const Progress& progress) {
    kv_bytes_now = ledger().current(MemoryKind::kv);
    return show(progress);
  });
  return {std::move(result.images.front()), result.statistics, result.prompts.front(), kv_bytes_now};
}

void print_row(const std::string& name, const Run& run, const std::string& psnr) {
  const double now = static_cast<double>(run.kv_bytes_now), peak = static_cast<double>(run.statistics.kv_bytes_peak);
  fmt::print("{:<14} {:>9.2f} {:>13.1f} {:>13.1f} {:>9.1f}% {:>10}\n", name, run.statistics.seconds, now / 1024.0,
             peak / 1024.0, 100.0 * peak / static_cast<double>(run.statistics.kv_bytes_peak_full), psnr);
}

// Throws now, before any work, where no folder of this name could be made or written to.
void check_folder(const std::filesystem::path& path) {
  if (path == "-" || find_image_format(path)) {
    fail_usage("{} names one picture, and compare writes three: name a folder", path.string());
  }
  std::error_code ignored;
  std::filesystem::path there = std::filesystem::absolute(path);
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
  if (!std::filesystem::is_directory(there)) fail("{} cannot be made: {} is no folder", path.string(), there.string());
  if (::access(there.c_str(), W_OK) != 0)
    fail("{} cannot be written: no permission in {}", path.string(), there.string());
}

void make_folder(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) fail("{} cannot be made: {}", path.string(), failed.message());
}

void compare(const CompareOptions& options) {
  const Request request = options.request.parsed();
  check_folder(options.out);
  Request full_request = request;
  full_request.cache = engine::with_policy(request.cache, cache::kFullPolicy);
  auto files = options.model.open_files();
  const engine::ResolvedRequest with_full = engine::resolve_request(*files, full_request);
  // Both are checked before the first is drawn. A smaller budget does not make the full cache smaller.
  engine::MemoryQuestion question = engine::make_question(files, with_full);
  question.not_advised = {"budget"};
  options.model.require_memory(std::move(question));
  const engine::ResolvedRequest with_policy = engine::resolve_request(*files, request);
  options.model.require_memory(engine::make_question(files, with_policy));
  const auto model = engine::load_model(std::move(files));
  const Settings settings = engine::describe_picture(*model, with_policy);
  const std::string& name = settings.at("policy");
  make_folder(options.out);
  const Run full = draw(*model, with_full, "full cache", options.model.quiet);
  const Run policy = draw(*model, with_policy, name, options.model.quiet);
  const double psnr = study::psnr(full.image, policy.image);
  const auto write = [&](const Image& image, const std::string& file, const Settings& text) {
    image.write(options.out / (file + ".png"), with_parameters(text, image));
  };
  write(full.image, "full", engine::describe_picture(*model, with_full));
  write(policy.image, name, settings);
  Settings of_difference = settings;
  of_difference["picture"] = "difference from the full cache's";
  write(study::difference_image(full.image, policy.image), "difference", of_difference);
  if (options.model.json) {
    const nlohmann::json report = {{"policy", name},
                                   {"budget", budget_json(request.cache)},
                                   {"seed", request.seed},
                                   {"seconds", policy.statistics.seconds},
                                   {"seconds_full", full.statistics.seconds},
                                   {"kv_bytes_now", policy.kv_bytes_now},
                                   {"kv_bytes_now_full", full.kv_bytes_now},
                                   {"kv_bytes_peak", policy.statistics.kv_bytes_peak},
                                   {"kv_bytes_peak_full", full.statistics.kv_bytes_peak},
                                   {"prompt_tokens", policy.prompt.tokens},
                                   {"prompt_cut", policy.prompt.cut},
                                   {"psnr", json_number(psnr)},
                                   {"settings", settings}};
    fmt::print("{}\n", report.dump(2));
  } else if (!options.model.quiet) {
    fmt::print("{:<14} {:>9} {:>13} {:>13} {:>10} {:>10}\n", "cache", "seconds", "KV now, KiB", "KV peak, KiB",
               "of full", "PSNR, dB");
    print_row("full", full, "");
    print_row(name, policy, fmt::format("{:.2f}", psnr));
    fmt::print("pictures of seed {2}: {0}/full.png, {0}/{1}.png, {0}/difference.png\n", options.out.string(), name,
               request.seed);
    fmt::print("cache: {}\n", cache_line(settings));
  }
}

}  // namespace

void add_compare_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("compare", "draw with the full cache and with a policy, and measure both");
  auto options = std::make_shared<CompareOptions>();
  options->request.add_to(*command);
  command->add_option("-o,--out", options->out, "folder for the pictures")->type_name("FOLDER")->capture_default_str();
  options->model.add_to(*command);
  command->footer("Example: scalekv compare \"two green stars\" --policy scalekv --budget 4% -o stars");
  command->callback([options] { compare(*options); });
}

}  // namespace scalekv::cli
