#include "scalekv/convert.h"

#include "base/error.h"
#include "base/progress.h"
#include "engine/model_calibration.h"
#include "infinity/schedule.h"
#include "model/convert.h"
#include "model/model_config.h"
#include "model/parts.h"
#include "model/sizes.h"

namespace scalekv {
namespace {

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

}  // namespace

Conversion convert(const ConvertOptions& options, const std::filesystem::path& out, const WorkCallback& progress) {
  const bool whole = !options.transformer.empty() && !options.vae.empty() && !options.text_encoder.empty();
  if (options.model.empty() && !whole) {
    fail_usage("convert needs `transformer`, `vae` and `text_encoder`, or a `model` whose parts they replace");
  }
  if (!options.default_size.empty()) infinity::make_schedule(1.0, options.default_size);
  model::ConversionOptions conversion{.weights = parse_weight_type(options.weights), .encoder = options.encoder};
  Runtime runtime;
  const Runtime::Scope scope(runtime);
  const model::BundlePaths sources{options.model, options.transformer, options.vae, options.text_encoder, options.ema};
  const model::Bundle bundle = model::open_bundle(sources);
  const auto tensors = model::list_converted_tensors(bundle, conversion);
  model::check_readable(bundle);
  const nlohmann::json config = model::make_config(
      bundle, {options.name, options.default_size, options.default_cfg, options.default_tau}, out.stem().string());
  conversion.config_json = config.dump();
  conversion.calibration_json = calibration_of(sources, bundle, config["name"]);
  model::convert_model(bundle, out, conversion, work_progress(progress));
  return {config["name"].get<std::string>(), std::ssize(tensors), model::converted_bytes(tensors)};
}

}  // namespace scalekv
