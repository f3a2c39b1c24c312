// scalekv generate: a prompt becomes a picture.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "core/stopwatch.h"

namespace scalekv::cli {
namespace {

struct GenerateOptions {
  ModelOptions model;
  RequestOptions request;
  std::filesystem::path out = "scalekv.png";
};

// ring.png, or ring-0.png, ring-1.png ... where there are several.
std::filesystem::path numbered(const std::filesystem::path& out, int image, int images) {
  if (images == 1) return out;
  std::filesystem::path path = out;
  path.replace_filename(fmt::format("{}-{}{}", out.stem().string(), image, out.extension().string()));
  return path;
}

nlohmann::json to_json(const Statistics& statistics) {
  return {{"seconds", statistics.seconds},
          {"seconds_text", statistics.seconds_text},
          {"seconds_transformer", statistics.seconds_transformer},
          {"seconds_decode", statistics.seconds_decode},
          {"kv_bytes_peak", statistics.kv_bytes_peak},
          {"kv_bytes_peak_full", statistics.kv_bytes_peak_full},
          {"peak_bytes", statistics.peak_bytes},
          {"tokens", statistics.tokens}};
}

void generate(const GenerateOptions& options) {
  Request request = options.request.parsed();
  check_writable(options.out);
  if (request.batch > request.images && options.request.given("--batch")) {
    note(fmt::format("a batch of {} for {} picture{}; --images {} draws as many", request.batch, request.images,
                     request.images == 1 ? "" : "s", request.batch),
         options.model.quiet);
  }
  Stopwatch watch;
  Pipeline pipeline = options.model.open_pipeline(request);
  const std::map<std::string, std::string> settings = pipeline.describe(request);
  const double seconds_open = watch.lap();
  Result result;
  {
    ProgressBar bar("drawing", options.model.quiet);
    result = pipeline.run(request, bar.callback());
  }
  std::vector<std::string> files;
  for (int i = 0; i < request.images; ++i) {
    std::map<std::string, std::string> text = settings;
    text["image"] = fmt::format("{}", i);
    const std::filesystem::path path = numbered(options.out, i, request.images);
    result.images[static_cast<std::size_t>(i)].write_png(path, text);
    files.push_back(path.string());
  }
  const Statistics& statistics = result.statistics;
  if (options.model.json) {
    nlohmann::json report = to_json(statistics);
    report["seconds_open"] = seconds_open;
    report["files"] = files;
    report["settings"] = settings;
    fmt::print("{}\n", report.dump(2));
  } else if (!options.model.quiet) {
    const Image& first = result.images.front();
    for (const std::string& file : files) fmt::print("{}\n", file);
    fmt::print(
        "{}x{} pixels in {:.2f} s (text {:.2f}, {} scales {:.2f}, decoding {:.2f}; opening {:.2f} before); KV cache {} "
        "of {} KiB at its peak\n",
        first.width, first.height, statistics.seconds, statistics.seconds_text, statistics.scales,
        statistics.seconds_transformer, statistics.seconds_decode, seconds_open, statistics.kv_bytes_peak / 1024,
        statistics.kv_bytes_peak_full / 1024);
  }
}

}  // namespace

void add_generate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "draw a picture from a prompt");
  auto options = std::make_shared<GenerateOptions>();
  options->request.add_to(*command);
  command->add_option("-o,--out", options->out, "PNG file; several images get -0, -1, ... before the dot")
      ->capture_default_str();
  command->add_option("-i,--images", options->request.request.images, "pictures to draw")->capture_default_str();
  command->add_option("--batch", options->request.request.batch, "pictures to draw together: faster each, more memory")
      ->capture_default_str();
  options->model.add_to(*command);
  command->footer("Example: scalekv generate \"a red ring above a blue square\" --seed 7 -o ring.png");
  command->callback([options] { generate(*options); });
}

}  // namespace scalekv::cli
