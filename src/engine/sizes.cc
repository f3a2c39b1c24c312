#include "engine/sizes.h"

#include "base/error.h"
#include "kernels/linear.h"
#include "kernels/products.h"
#include "model/model_config.h"
#include "vae/decoder.h"

namespace scalekv::engine {
namespace {

// Our metadata `config`: {"name": ..., "defaults": {"size", "cfg", "tau"}}; sizes come from the tensors.
void read_defaults(const model::Bundle& bundle, ModelSizes& sizes) {
  try {
    const nlohmann::json config = model::read_config(bundle);
    sizes.name = config.value("name", sizes.name);
    const auto defaults = config.value("defaults", nlohmann::json::object());
    sizes.defaults.size = defaults.value("size", sizes.defaults.size);
    sizes.defaults.cfg = defaults.value("cfg", sizes.defaults.cfg);
    sizes.defaults.tau = defaults.value("tau", sizes.defaults.tau);
  } catch (const nlohmann::json::exception& error) {
    fail("{}: the metadata entry 'config' is not what docs/FORMATS.md describes ({}); convert the model again",
         bundle.description, error.what());
  }
}

template <typename Part>
const Part& require(const std::optional<Part>& part, const char* what, const char* option,
                    const std::string& description) {
  if (!part) fail("{} has no {}; name one with {}, or convert a whole model", description, what, option);
  return *part;
}

// A file of int8 weights stays that. Small models keep the weights they were trained with; large ones take what the
// machine multiplies fastest.
WeightType choose_weight_type(const std::string& wanted, const formats::WeightMap& transformer) {
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

// A tensor that is used as float32: mapped where the file holds it so.
std::int64_t float_bytes(const formats::TensorInfo& info) {
  return info.dtype == DType::f32 ? 0 : info.shape.elements() * kFloatBytes;
}

std::int64_t matrix_bytes(const formats::TensorInfo& info, bool biased, WeightType type) {
  return kernels::Linear::predict_bytes(info.shape[1], info.shape[0], biased, type);
}

// As Transformer takes them: matrices become linear layers, those of the blocks as `type`, with their biases; what is
// left is float.
std::int64_t transformer_bytes(const formats::WeightMap& weights, WeightType type) {
  std::int64_t sum = 0;
  for (const auto& [name, info] : weights.infos()) {
    const bool matrix = info->shape.rank() == 2 && name.ends_with(".weight") && name != "lvl_embed.weight";
    if (matrix) {
      const bool key_value = name.ends_with("mat_kv.weight");
      const std::string owner = name.substr(0, name.size() - std::string_view(".weight").size());
      sum += matrix_bytes(*info, key_value || weights.has(owner + ".bias"),
                          name.starts_with("block") ? type : WeightType::f32);
    } else if (name.ends_with("sa.scale_mul_1H11")) {
      sum += info->shape.elements() * kFloatBytes;  // its exponential
    } else {
      const bool part_of_linear = name.ends_with(".weight_scale") || name.ends_with(".weight_rotation") ||
                                  (name.ends_with(".bias") && !name.ends_with("norm.bias")) ||
                                  name.ends_with("ca.v_bias") || name.ends_with("zero_k_bias");
      if (!part_of_linear) sum += float_bytes(*info);
    }
  }
  return sum;
}

std::int64_t text_encoder_bytes(const formats::WeightMap& weights, WeightType type, bool made) {
  std::int64_t sum = 0;
  for (const auto& [name, info] : weights.infos()) {
    if (name.starts_with("decoder.") || name.starts_with("lm_head.")) continue;
    if (name == "shared.weight" || name == "encoder.embed_tokens.weight") {
      const bool used = name == "shared.weight" || !weights.has("shared.weight");
      if (made && used) sum += info->bytes;  // in its own type; mapped where there is a file
    } else if (info->shape.rank() == 2 && !name.ends_with("relative_attention_bias.weight")) {
      sum += matrix_bytes(*info, false, type);
    } else {
      sum += float_bytes(*info);
    }
  }
  return sum;
}

std::int64_t vae_bytes(const model::VaeConfig& config, const formats::WeightMap& weights) {
  std::int64_t sum = vae::Decoder::weight_bytes(config);
  for (const auto& [name, info] : weights.infos()) {
    if (name.starts_with("encoder."))
      sum += info->shape.rank() == 4 ? info->shape.elements() * kFloatBytes : float_bytes(*info);
  }
  return sum;
}

}  // namespace

ModelSizes read_sizes(const model::Bundle& bundle, const std::string& weights) {
  const auto& vae = require(bundle.vae, "VAE", "--vae", bundle.description);
  require(bundle.text_encoder, "text encoder", "--text-encoder", bundle.description);
  const auto& transformer = require(bundle.transformer, "transformer", "--transformer", bundle.description);
  if (bundle.tokenizer.empty() && !bundle.random) {
    fail("{} has no tokenizer; name a folder that holds spiece.model with --text-encoder", bundle.description);
  }
  ModelSizes sizes;
  read_defaults(bundle, sizes);
  sizes.vae = model::infer_vae_config(vae);
  sizes.transformer = model::infer_infinity_config(transformer, sizes.vae.codebook);
  sizes.text = model::read_text_config(bundle);
  if (sizes.text.width != sizes.transformer.text_width) {
    fail("{}: the text encoder gives {} features, the transformer expects {}", bundle.description, sizes.text.width,
         sizes.transformer.text_width);
  }
  sizes.weights = choose_weight_type(weights, transformer);
  // The text encoder runs once a prompt and is sensitive to rounding: its inputs are never rounded.
  sizes.text_weights = sizes.weights == WeightType::f32 ? WeightType::f32 : WeightType::bf16;
  sizes.weight_bytes = transformer_bytes(transformer, sizes.weights) + vae_bytes(sizes.vae, vae);
  sizes.text_weight_bytes = text_encoder_bytes(*bundle.text_encoder, sizes.text_weights, bundle.random);
  return sizes;
}

}  // namespace scalekv::engine
