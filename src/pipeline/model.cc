#include "pipeline/model.h"

#include "core/error.h"
#include "core/file.h"
#include "core/freed_memory.h"
#include "core/threads.h"
#include "pipeline/random_model.h"

namespace scalekv::pipeline {
namespace {

bool names_files(const std::filesystem::path& file, const OpenOptions& options) {
  return !file.empty() || !options.transformer.empty() || !options.vae.empty() || !options.text_encoder.empty();
}

}  // namespace

checkpoint::Bundle open_bundle(const std::filesystem::path& file, const OpenOptions& options) {
  const bool files = names_files(file, options);
  if (options.random_architecture.empty()) {
    return files ? checkpoint::open_bundle({file, options.transformer, options.vae, options.text_encoder})
                 : open_embedded_bundle();
  }
  if (files) fail_usage("random weights and a model's files exclude each other; name one of them");
  return random_bundle(find_architecture(options.random_architecture), 0);
}

std::filesystem::path calibration_beside(const std::filesystem::path& model, const std::filesystem::path& transformer) {
  std::filesystem::path path = transformer.empty() ? model : transformer;
  return path.empty() ? path : path.replace_extension(".calibration.json");
}

void check_model_name(const std::string& made_for, const std::string& model, const std::string& where) {
  if (!made_for.empty() && made_for != model) {
    fail("{} is of the model {}, this one is {}; calibrate this model", where, made_for, model);
  }
}

std::shared_ptr<const cache::Calibration> open_calibration(const std::filesystem::path& file,
                                                           const OpenOptions& options,
                                                           const checkpoint::Bundle& bundle) {
  if (!options.random_architecture.empty()) return nullptr;
  const std::filesystem::path beside = calibration_beside(file, options.transformer);
  std::string where = "the embedded calibration";
  std::string json;
  if (!names_files(file, options)) {
    json = embedded_calibration();
  } else if (!beside.empty() && std::filesystem::exists(beside)) {
    where = beside.string();
    json = read_file(beside);
  } else {
    where = fmt::format("{}: the metadata entry 'calibration'", bundle.description);
    json = bundle.calibration_json;
  }
  if (json.empty()) return nullptr;
  auto calibration = std::make_shared<cache::Calibration>(cache::parse_calibration(json, where));
  check_model_name(calibration->model, read_sizes(bundle, options.weights).name, where);
  return calibration;
}

void use_threads(const OpenOptions& options) {
  set_threads(options.threads == 0 ? available_processors() : options.threads);
}

std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options, bool calibrated) {
  use_threads(options);
  checkpoint::Bundle bundle = open_bundle(file, options);
  auto calibration = calibrated ? open_calibration(file, options, bundle) : nullptr;
  auto model = load_model(std::move(bundle), options.weights, options.keep_text_encoder);
  model->calibration = std::move(calibration);
  return model;
}

std::unique_ptr<Model> load_model(checkpoint::Bundle bundle, const std::string& weights, bool keep_text_encoder) {
  const ModelSizes sizes = read_sizes(bundle, weights);
  TextEncoder text_encoder(*bundle.text_encoder, sizes.text_weights, keep_text_encoder);
  vae::Decoder decoder(sizes.vae, *bundle.vae);
  std::optional<vae::Encoder> encoder;
  if (vae::has_encoder(*bundle.vae)) encoder.emplace(sizes.vae, *bundle.vae);
  vae::ignore_leftovers(*bundle.vae);
  bundle.vae->expect_all_used();
  auto model = std::make_unique<Model>(
      Model{.name = sizes.name,
            .defaults = sizes.defaults,
            .weights = sizes.weights,
            .vae_config = sizes.vae,
            .tokenizer = PromptTokenizer(bundle.tokenizer, sizes.text.vocabulary),
            .text_encoder = std::move(text_encoder),
            .transformer = infinity::Transformer(sizes.transformer, *bundle.transformer, sizes.weights),
            .decoder = std::move(decoder),
            .encoder = std::move(encoder),
            .calibration = nullptr});
  return_freed_memory();  // of matrices on their way to another type or layout
  return model;
}

}  // namespace scalekv::pipeline
