#include "pipeline/model.h"

#include "core/error.h"
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

std::filesystem::path calibration_beside(std::filesystem::path model) {
  return model.replace_extension(".calibration.json");
}

std::shared_ptr<const cache::Calibration> open_calibration(const std::filesystem::path& file,
                                                           const OpenOptions& options,
                                                           const checkpoint::Bundle& bundle) {
  if (names_files(file, options)) {
    const std::filesystem::path beside = calibration_beside(file.empty() ? options.transformer : file);
    if (std::filesystem::exists(beside)) {
      return std::make_shared<cache::Calibration>(cache::read_calibration(beside));
    }
    if (bundle.calibration_json.empty()) return nullptr;
    return std::make_shared<cache::Calibration>(cache::parse_calibration(
        bundle.calibration_json, fmt::format("{}: the metadata entry 'calibration'", bundle.description)));
  }
  if (!options.random_architecture.empty()) return nullptr;
  return std::make_shared<cache::Calibration>(
      cache::parse_calibration(embedded_calibration(), "the embedded calibration"));
}

std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options, bool calibrated) {
  set_threads(options.threads == 0 ? available_processors() : options.threads);
  checkpoint::Bundle bundle = open_bundle(file, options);
  auto calibration = calibrated ? open_calibration(file, options, bundle) : nullptr;
  auto model = load_model(std::move(bundle), options.weights);
  model->calibration = std::move(calibration);
  return model;
}

std::unique_ptr<Model> load_model(checkpoint::Bundle bundle, const std::string& weights) {
  const ModelSizes sizes = read_sizes(bundle, weights);
  TextEncoder text_encoder(*bundle.text_encoder, sizes.text_weights);
  vae::Decoder decoder(sizes.vae, *bundle.vae);
  std::optional<vae::Encoder> encoder;
  if (bundle.vae->has("encoder.conv_in.conv.weight")) encoder.emplace(sizes.vae, *bundle.vae);
  for (const char* leftover : {"quantizer.", "quantize.", "disc", "image_disc", "lpips"}) bundle.vae->ignore(leftover);
  bundle.vae->expect_all_used();
  return std::make_unique<Model>(
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
}

}  // namespace scalekv::pipeline
