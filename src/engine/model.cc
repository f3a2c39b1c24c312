#include "engine/model.h"

#include "base/error.h"
#include "model/layer_tensors.h"
#include "model/random_model.h"
#include "runtime/freed_memory.h"
#include "runtime/threads.h"

namespace scalekv::engine {

bool names_files(const std::filesystem::path& file, const OpenOptions& options) {
  return !file.empty() || !options.transformer.empty() || !options.vae.empty() || !options.text_encoder.empty();
}

model::Bundle open_bundle(const std::filesystem::path& file, const OpenOptions& options) {
  const bool files = names_files(file, options);
  if (options.ema && !files) fail_usage("--ema chooses among the weights of a checkpoint; name one");
  if (options.random_architecture.empty()) {
    return files ? model::open_bundle({file, options.transformer, options.vae, options.text_encoder, options.ema})
                 : open_embedded_bundle();
  }
  if (files) fail_usage("random weights and a model's files exclude each other; name one of them");
  return model::random_bundle(model::find_architecture(options.random_architecture), 0);
}

std::shared_ptr<const ModelCalibration> find_calibration(const std::filesystem::path& file, const OpenOptions& options,
                                                         const model::Bundle& bundle) {
  return std::make_shared<ModelCalibration>(file, options, bundle, model::read_sizes(bundle, options.weights).name);
}

void use_threads(const OpenOptions& options) {
  set_threads(options.threads == 0 ? available_processors() : options.threads);
}

std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options) {
  use_threads(options);
  model::Bundle bundle = open_bundle(file, options);
  auto calibration = find_calibration(file, options, bundle);
  auto model = load_model(std::move(bundle), options);
  model->calibration = std::move(calibration);
  return model;
}

std::unique_ptr<Model> load_model(model::Bundle bundle, const OpenOptions& options) {
  const model::ModelSizes sizes = model::read_sizes(bundle, options.weights);
  TextEncoder text_encoder(*bundle.text_encoder, sizes.text_weights, options.keep_text_encoder);
  vae::Decoder decoder(sizes.vae, *bundle.vae);
  std::optional<vae::Encoder> encoder;
  if (sizes.vae.encoder.levels() > 0) encoder.emplace(sizes.vae, *bundle.vae);
  model::expect_all_used(*bundle.vae, model::vae_table(sizes.vae));
  auto model = std::make_unique<Model>(
      Model{.name = sizes.name,
            .defaults = sizes.defaults,
            .weights = sizes.weights,
            .vae_config = sizes.vae,
            .tokenizer = PromptTokenizer(bundle.tokenizer, sizes.text.vocabulary, options.warn),
            .text_encoder = std::move(text_encoder),
            .transformer = infinity::Transformer(sizes.transformer, *bundle.transformer, sizes.weights),
            .decoder = std::move(decoder),
            .encoder = std::move(encoder),
            .calibration = nullptr});
  return_freed_memory();  // of matrices on their way to another type or layout
  return model;
}

}  // namespace scalekv::engine
