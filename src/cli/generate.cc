// scalekv generate: a prompt becomes a picture.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/picture_out.h"
#include "cli/progress.h"
#include "engine/description.h"
#include "engine/run.h"
#include "runtime/stopwatch.h"

namespace scalekv::cli {
namespace {

struct GenerateOptions {
  ModelOptions model;
  RequestOptions request;
  PictureOut out{"scalekv.png"};
};

nlohmann::json to_json(const Statistics& statistics, const PromptLength& prompt) {
  return {{"seconds", statistics.seconds},
          {"seconds_text", statistics.seconds_text},
          {"seconds_transformer", statistics.seconds_transformer},
          {"seconds_decode", statistics.seconds_decode},
          {"kv_bytes_peak", statistics.kv_bytes_peak},
          {"kv_bytes_peak_full", statistics.kv_bytes_peak_full},
          {"peak_bytes", statistics.peak_bytes},
          {"tokens", statistics.tokens},
          {"prompt_tokens", prompt.tokens},
          {"prompt_cut", prompt.cut}};
}

void generate(const GenerateOptions& options) {
  const Request request = options.request.parsed();
  options.out.check(request.images);
  if (request.batch > request.images && options.request.given("--batch")) {
    note(fmt::format("a batch of {} for {} picture{}; --images {} draws as many", request.batch, request.images,
                     request.images == 1 ? "" : "s", request.batch),
         options.model.quiet);
  }
  Stopwatch watch;
  auto files = options.model.open_files();
  const engine::ResolvedRequest resolved = engine::resolve_request(*files, request);
  options.model.require_memory(engine::make_question(files, resolved));
  const auto model = engine::load_model(std::move(files));
  const Settings settings = engine::describe_picture(*model, resolved);
  const double seconds_open = watch.lap();
  Result result;
  {
    ProgressBar bar("drawing", options.model.quiet);
    result = engine::run(*model, resolved, bar.callback());
  }
  std::vector<std::string> written;
  for (int i = 0; i < request.images; ++i) {
    Settings text = settings;
    text["image"] = fmt::format("{}", i);
    const Image& image = result.images[static_cast<std::size_t>(i)];
    written.push_back(options.out.write(image, i, request.images, with_parameters(text, image)));
  }
  const Statistics& statistics = result.statistics;
  if (options.model.json) {
    nlohmann::json report = to_json(statistics, result.prompts.front());
    report["seconds_open"] = seconds_open;
    report["files"] = written;
    report["seed"] = request.seed;
    report["settings"] = settings;
    fmt::print(options.out.reports(), "{}\n", report.dump(2));
  } else if (!options.model.quiet) {
    const Image& first = result.images.front();
    for (const std::string& file : written) fmt::print(options.out.reports(), "{}\n", file);
    fmt::print(options.out.reports(),
               "{}x{} pixels from seed {} in {:.2f} s (text {:.2f}, {} scales {:.2f}, decoding {:.2f}; opening {:.2f} "
               "before); KV cache {} of {} KiB at its peak\n",
               first.width, first.height, request.seed, statistics.seconds, statistics.seconds_text, statistics.scales,
               statistics.seconds_transformer, statistics.seconds_decode, seconds_open, statistics.kv_bytes_peak / 1024,
               statistics.kv_bytes_peak_full / 1024);
    fmt::print(options.out.reports(), "cache: {}\n", cache_line(settings));
  }
}

}  // namespace

void add_generate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "draw a picture from a prompt");
  auto options = std::make_shared<GenerateOptions>();
  options->request.add_to(*command);
  options->out.add_to(*command, " (several get -0, -1, ... before the dot)");
  add_number(*command, "-i,--images", options->request.request.images, "pictures to draw")->capture_default_str();
  add_number(*command, "--batch", options->request.request.batch, "pictures to draw together: faster each, more memory")
      ->capture_default_str();
  options->model.add_to(*command);
  command->footer("Example: scalekv generate \"a red ring above a blue square\" --seed 7 -o ring.png");
  command->callback([options] { generate(*options); });
}

}  // namespace scalekv::cli
