// scalekv convert: published files become one model file.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/number_options.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/model.h"
#include "infinity/schedule.h"
#include "model/convert.h"
#include "model/model_config.h"
#include "model/parts.h"

namespace scalekv::cli {
namespace {

struct ConvertOptions {
  model::BundlePaths sources;
  std::filesystem::path out;
  model::ConfigChoices choices;
  std::string weights = "bf16";
  bool no_encoder = false;
  bool quiet = false;
};

// The metadata entry `calibration`: the file beside the model (or the transformer), or what the model itself holds,
// under the model's new name.
std::string calibration_of(const model::BundlePaths& sources, const model::Bundle& bundle, const std::string& name) {
  const engine::ModelCalibration beside(
      sources.model, {.transformer = sources.transformer, .vae = sources.vae, .text_encoder = sources.text_encoder},
      bundle, model::read_config(bundle).value("name", model::ModelSizes().name));
  const engine::KnownCalibration* found = beside.read();
  if (found == nullptr) return "";
  cache::Calibration calibration = *found->content;
  calibration.model = name;
  return cache::to_json(calibration);
}

void convert(const ConvertOptions& options) {
  const bool whole =
      !options.sources.transformer.empty() && !options.sources.vae.empty() && !options.sources.text_encoder.empty();
  if (options.sources.model.empty() && !whole) {
    fail_usage("convert needs --transformer, --vae and --text-encoder, or a --model whose parts they replace");
  }
  check_writable(options.out);
  const model::Bundle bundle = model::open_bundle(options.sources);
  model::ConversionOptions conversion{.weights = parse_weight_type(options.weights), .encoder = !options.no_encoder};
  const auto tensors = model::list_converted_tensors(bundle, conversion);
  model::check_readable(bundle);
  const nlohmann::json config = model::make_config(bundle, options.choices, options.out.stem().string());
  conversion.config_json = config.dump();
  conversion.calibration_json = calibration_of(options.sources, bundle, config["name"]);
  {
    ProgressBar bar("converting", options.quiet);
    model::convert_model(bundle, options.out, conversion, bar.work());
  }
  if (options.quiet) return;
  fmt::print("{}\n{}: {} tensors, {} MiB\n", options.out.string(), config["name"].get<std::string>(), tensors.size(),
             model::converted_bytes(tensors) >> 20);
}

}  // namespace

void add_convert_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("convert", "make one model file of published checkpoints");
  auto options = std::make_shared<ConvertOptions>();
  command->add_option("--transformer", options->sources.transformer, "Infinity's .pth file, or a folder of shards");
  command->add_option("--vae", options->sources.vae, "the VAE's .pth file");
  command->add_option("--text-encoder", options->sources.text_encoder, "folder of flan-t5-xl, with spiece.model");
  command->add_option("--model", options->sources.model,
                      "model file to start from; the options above replace its parts");
  command->add_flag("--ema", options->sources.ema,
                    "the averaged weights (EMA) of a training checkpoint, in place of those that the last step left");
  command->add_option("-o,--out", options->out, "model file to write (.safetensors)")->required();
  command->add_option("--weights,--dtype", options->weights, "type of the matrices")
      ->check(CLI::IsMember({"bf16", "f32", "int8"}))
      ->capture_default_str();
  command->add_flag("--no-encoder", options->no_encoder, "leave out the VAE's encoder, which only reconstruct needs");
  command->add_option("--name", options->choices.name, "name of the model; known ones are recognised by their sizes");
  command->add_option("--default-size", options->choices.size, "size it draws unless told otherwise")
      ->check(CLI::IsMember(infinity::size_presets()));
  add_number(*command, "--default-cfg", options->choices.cfg, "guidance it uses unless told otherwise", {.least = 0.0});
  add_number(*command, "--default-tau", options->choices.tau, "temperature it uses unless told otherwise",
             {.least = 0.001});
  command->add_flag("-q,--quiet", options->quiet, "print nothing but errors");
  command->footer(
      "A calibration beside the model (NAME.calibration.json) becomes part of the file.\n"
      "Example: scalekv convert --transformer infinity_2b_reg.pth --vae infinity_vae_d32reg.pth \\\n"
      "           --text-encoder flan-t5-xl -o infinity-2b-bf16.safetensors");
  command->callback([options] { convert(*options); });
}

}  // namespace scalekv::cli
