// scalekv convert: published files become one model file.
#include <fmt/format.h>

#include <csignal>
#include <map>
#include <memory>

#include "checkpoint/convert.h"
#include "cli/architecture.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/file.h"
#include "pipeline/model.h"

namespace scalekv::cli {
namespace {

struct ConvertOptions {
  checkpoint::BundlePaths sources;
  std::filesystem::path out;
  std::string name;
  std::string weights = "bf16";
  std::string size;
  double cfg = -1.0;
  double tau = -1.0;
  bool no_encoder = false;
  bool quiet = false;
};

// What the authors of the published models sample them with.
struct Published {
  std::int64_t depth;
  std::int64_t width;
  const char* name;
  const char* size;
  double cfg;
  double tau;
};

constexpr std::array kPublished = {
    Published{32, 2048, "infinity-2b", "1M", 3.0, 0.5},
    Published{40, 3584, "infinity-8b", "1M", 3.0, 1.0},
    Published{12, 768, "infinity-125m", "0.06M", 4.0, 1.0},
};

volatile std::sig_atomic_t interrupted = 0;

void stop_converting(int) { interrupted = 1; }

// The metadata entry `config`: what the tensors tell, and the defaults of options, source or published model.
nlohmann::json config_of(const ConvertOptions& options, const checkpoint::Bundle& bundle) {
  nlohmann::json config = nlohmann::json::object();
  if (!bundle.config_json.empty()) config = nlohmann::json::parse(bundle.config_json, nullptr, false);
  if (!config.is_object())
    fail("{}: the metadata entry 'config' is not a JSON object; convert the model again", bundle.description);
  const nlohmann::json architecture = describe_architecture(bundle);
  for (const auto& [key, facts] : architecture.items()) {
    if (!facts.is_object()) {
      config[key] = facts;
    } else {
      config[key].update(facts);
    }
  }
  nlohmann::json defaults = config.value("defaults", nlohmann::json({{"size", "1M"}, {"cfg", 4.0}, {"tau", 1.0}}));
  const nlohmann::json& shape = config["infinity"];
  for (const Published& published : kPublished) {
    if (config.contains("name") || shape["depth"] != published.depth || shape["width"] != published.width) continue;
    config["name"] = published.name;
    defaults = {{"size", published.size}, {"cfg", published.cfg}, {"tau", published.tau}};
  }
  if (!options.name.empty()) config["name"] = options.name;
  if (!config.contains("name")) config["name"] = options.out.stem().string();
  if (!options.size.empty()) defaults["size"] = options.size;
  if (options.cfg >= 0.0) defaults["cfg"] = options.cfg;
  if (options.tau >= 0.0) defaults["tau"] = options.tau;
  config["defaults"] = defaults;
  return config;
}

// The metadata entry `calibration`: the file beside the model (or the transformer), or what the model itself holds,
// under the model's new name.
std::string calibration_of(const checkpoint::BundlePaths& sources, const checkpoint::Bundle& bundle,
                           const std::string& name) {
  const auto found = pipeline::open_calibration(
      sources.model, {.transformer = sources.transformer, .vae = sources.vae, .text_encoder = sources.text_encoder},
      bundle);
  if (!found) return "";
  cache::Calibration calibration = *found;
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
  const checkpoint::Bundle bundle = checkpoint::open_bundle(options.sources);
  checkpoint::ConversionOptions conversion{.weights = parse_weight_type(options.weights),
                                           .encoder = !options.no_encoder};
  const auto plan = checkpoint::plan_conversion(bundle, conversion);
  const nlohmann::json config = config_of(options, bundle);
  conversion.config_json = config.dump();
  conversion.calibration_json = calibration_of(options.sources, bundle, config["name"]);
  {
    ProgressBar bar("converting", options.quiet);
    std::signal(SIGINT, stop_converting);  // the bar's own way to stop is a pipeline's
    checkpoint::convert_model(bundle, options.out, conversion, [&](double share, std::string_view what) {
      if (interrupted != 0) throw Cancelled();
      bar.show(share, what);
    });
  }
  if (options.quiet) return;
  fmt::print("{}\n{}: {} tensors, {} MiB\n", options.out.string(), config["name"].get<std::string>(), plan.size(),
             checkpoint::converted_bytes(plan) >> 20);
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
  command->add_option("-o,--out", options->out, "model file to write (.safetensors)")->required();
  command->add_option("--weights,--dtype", options->weights, "type of the matrices")
      ->check(CLI::IsMember({"bf16", "f32", "int8"}))
      ->capture_default_str();
  command->add_flag("--no-encoder", options->no_encoder, "leave out the VAE's encoder, which only reconstruct needs");
  command->add_option("--name", options->name, "name of the model; known ones are recognised by their sizes");
  command->add_option("--default-size", options->size, "size it draws unless told otherwise");
  command->add_option("--default-cfg", options->cfg, "guidance it uses unless told otherwise")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--default-tau", options->tau, "temperature it uses unless told otherwise")
      ->check(CLI::PositiveNumber);
  command->add_flag("-q,--quiet", options->quiet, "print nothing but errors");
  command->footer(
      "A calibration beside the model (NAME.calibration.json) becomes part of the file.\n"
      "Example: scalekv convert --transformer infinity_2b_reg.pth --vae infinity_vae_d32reg.pth \\\n"
      "           --text-encoder flan-t5-xl -o infinity-2b-bf16.safetensors");
  command->callback([options] { convert(*options); });
}

}  // namespace scalekv::cli
