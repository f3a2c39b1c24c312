#include "pipeline/model.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/threads.h"
#include "kernels/machine.h"

namespace scalekv::pipeline {
namespace {

// Our metadata `config`: {"name": ..., "defaults": {"size", "cfg", "tau"}}; sizes come from the tensors.
void read_defaults(const std::string& config_json, const std::string& description, Model& model) {
  if (config_json.empty()) return;
  try {
    const auto config = nlohmann::json::parse(config_json);
    model.name = config.value("name", model.name);
    const auto defaults = config.value("defaults", nlohmann::json::object());
    model.defaults.size = defaults.value("size", model.defaults.size);
    model.defaults.cfg = defaults.value("cfg", model.defaults.cfg);
    model.defaults.tau = defaults.value("tau", model.defaults.tau);
  } catch (const nlohmann::json::exception& error) {
    fail("{}: the metadata entry 'config' is not what docs/FORMATS.md describes ({}); convert the model again",
         description, error.what());
  }
}

template <typename Part>
Part& require(std::optional<Part>& part, const char* what, const char* option, const std::string& description) {
  if (!part) fail("{} has no {}; name one with {}, or convert a whole model", description, what, option);
  return *part;
}

// The calibration of a model file lies beside it.
std::shared_ptr<const cache::Calibration> find_calibration(std::filesystem::path model) {
  model.replace_extension(".calibration.json");
  if (!std::filesystem::exists(model)) return nullptr;
  return std::make_shared<cache::Calibration>(cache::read_calibration(model));
}

// A file of int8 weights stays that. Small models keep the weights they were trained with; large ones take what the
// machine multiplies fastest.
WeightType choose_weight_type(const std::string& wanted, const checkpoint::WeightMap& transformer) {
  constexpr std::int64_t kLarge = 500'000'000;  // parameters
  std::int64_t parameters = 0;
  bool rounded = false;
  for (const auto& [name, info] : transformer.infos()) {
    parameters += info->shape.elements();
    rounded = rounded || name.ends_with(".weight_scale");
  }
  if (rounded && !wanted.empty() && parse_weight_type(wanted) != WeightType::int8) {
    fail_usage("{} holds int8 weights, which cannot become {} again; open the model they were made from",
               transformer.description(), wanted);
  }
  if (rounded) return WeightType::int8;
  if (!wanted.empty()) return parse_weight_type(wanted);
  if (parameters < kLarge) return WeightType::f32;
  return kernels::prefers_int8() ? WeightType::int8 : WeightType::bf16;
}

}  // namespace

std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options, bool calibrated) {
  set_threads(options.threads == 0 ? available_processors() : options.threads);
  const bool embedded =
      file.empty() && options.transformer.empty() && options.vae.empty() && options.text_encoder.empty();
  if (embedded) {
    auto model = load_model(open_embedded_bundle(), options.weights);
    if (calibrated) {
      model->calibration = std::make_shared<cache::Calibration>(
          cache::parse_calibration(embedded_calibration(), "the embedded calibration"));
    }
    return model;
  }
  auto model = load_model(checkpoint::open_bundle({file, options.transformer, options.vae, options.text_encoder}),
                          options.weights);
  if (calibrated) model->calibration = find_calibration(file.empty() ? options.transformer : file);
  return model;
}

std::unique_ptr<Model> load_model(checkpoint::Bundle bundle, const std::string& weights_wanted) {
  auto& vae_weights = require(bundle.vae, "VAE", "--vae", bundle.description);
  auto& text_weights = require(bundle.text_encoder, "text encoder", "--text-encoder", bundle.description);
  auto& weights = require(bundle.transformer, "transformer", "--transformer", bundle.description);
  if (bundle.tokenizer.empty()) {
    fail("{} has no tokenizer; name a folder that holds spiece.model with --text-encoder", bundle.description);
  }
  const vae::VaeConfig vae_config = vae::infer_vae_config(vae_weights);
  const infinity::InfinityConfig config = infinity::infer_infinity_config(weights, vae_config.codebook);
  const text::T5Config text_config = text::infer_t5_config(text_weights);
  if (text_config.width != config.text_width) {
    fail("{}: the text encoder gives {} features, the transformer expects {}", bundle.description, text_config.width,
         config.text_width);
  }
  const WeightType type = choose_weight_type(weights_wanted, weights);
  // The text encoder runs once a prompt and is sensitive to rounding: its inputs are never rounded.
  const WeightType text_type = type == WeightType::f32 ? WeightType::f32 : WeightType::bf16;
  vae::Decoder decoder(vae_config, vae_weights);
  std::optional<vae::Encoder> encoder;
  if (vae_weights.has("encoder.conv_in.conv.weight")) encoder.emplace(vae_config, vae_weights);
  for (const char* leftover : {"quantizer.", "quantize.", "disc", "image_disc", "lpips"}) vae_weights.ignore(leftover);
  vae_weights.expect_all_used();
  text::Tokenizer tokenizer(bundle.tokenizer, 0);
  // T5's sentinels ("<extra_id_0>") exist as far as the encoder has rows for them.
  const auto sentinels =
      static_cast<int>(std::clamp<std::int64_t>(text_config.vocabulary - tokenizer.vocabulary_size(), 0, 100));
  if (sentinels > 0) tokenizer = text::Tokenizer(bundle.tokenizer, sentinels);
  auto model = std::make_unique<Model>(Model{.name = "infinity",
                                             .defaults = ModelDefaults(),
                                             .weights = type,
                                             .vae_config = vae_config,
                                             .tokenizer = std::move(tokenizer),
                                             .text_encoder = text::T5Encoder(text_config, text_weights, text_type),
                                             .transformer = infinity::Transformer(config, weights, type),
                                             .decoder = std::move(decoder),
                                             .encoder = std::move(encoder),
                                             .calibration = nullptr});
  read_defaults(bundle.config_json, bundle.description, *model);
  return model;
}

}  // namespace scalekv::pipeline
