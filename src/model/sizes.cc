#include "model/sizes.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/conv.h"
#include "kernels/linear.h"
#include "kernels/products.h"
#include "model/model_config.h"
#include "model/parts.h"

namespace scalekv::model {
namespace {

// Our metadata `config`: {"name": ..., "defaults": {"size", "cfg", "tau"}}; sizes come from the tensors.
void read_defaults(const Bundle& bundle, ModelSizes& sizes) {
  try {
    const nlohmann::json config = read_config(bundle);
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
const Part& require(const std::optional<Part>& part, const char* what, const char* setting,
                    const std::string& description) {
  if (!part) fail("{} has no {}; name one with `{}`, or convert a whole model", description, what, setting);
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

// What a tensor takes where matrices of blocks are held as `type`; `made`: in memory, not mapped from a file.
std::int64_t held_bytes(const TableEntry& entry, const formats::TensorInfo& info, WeightType type, bool made) {
  const TensorSpec& spec = entry.spec;
  const Shape& shape = spec.shape;
  switch (spec.role) {
    case Role::values:
    case Role::table:
      return info.dtype == DType::f32 ? 0 : shape.elements() * kFloatBytes;
    case Role::own_values:
      return shape.elements() * kFloatBytes;
    case Role::embedding:
      return made ? info.bytes : 0;
    case Role::matrix:
      return kernels::Linear::predict_bytes(shape[1], shape[0], !spec.bias.empty(),
                                            entry.in_block ? type : WeightType::f32);
    case Role::convolution:
      return kernels::Conv2d::weight_bytes(shape[1], shape[0], shape[2]);
    case Role::bias:
    case Role::unread:
      break;
  }
  return 0;
}

}  // namespace

std::int64_t part_bytes(const Part& part, WeightType type, bool made) {
  std::int64_t sum = 0;
  part.table.visit([&](const TableEntry& entry) {
    const auto info = part.weights->infos().find(entry.name);
    if (info != part.weights->infos().end()) sum += held_bytes(entry, *info->second, type, made);
  });
  return sum;
}

ModelSizes read_sizes(const Bundle& bundle, const std::string& weights) {
  const auto& vae = require(bundle.vae, "VAE", "vae", bundle.description);
  require(bundle.text_encoder, "text encoder", "text_encoder", bundle.description);
  const auto& transformer = require(bundle.transformer, "transformer", "transformer", bundle.description);
  if (bundle.tokenizer.empty() && !bundle.random) {
    fail("{} has no tokenizer; name a folder that holds spiece.model with `text_encoder`", bundle.description);
  }
  ModelSizes sizes;
  read_defaults(bundle, sizes);
  sizes.vae = infer_vae_config(vae);
  sizes.transformer = infer_infinity_config(transformer, sizes.vae.codebook);
  sizes.text = read_text_config(bundle);
  if (sizes.text.width != sizes.transformer.text_width) {
    fail("{}: the text encoder gives {} features, the transformer expects {}", bundle.description, sizes.text.width,
         sizes.transformer.text_width);
  }
  sizes.weights = choose_weight_type(weights, transformer);
  const std::vector<Part> parts = parts_of(bundle);  // transformer, VAE, text encoder
  sizes.text_weights = std::min(sizes.weights, parts[2].table.narrowest);
  sizes.weight_bytes =
      part_bytes(parts[0], sizes.weights, bundle.random) + part_bytes(parts[1], WeightType::f32, bundle.random);
  sizes.text_weight_bytes = part_bytes(parts[2], sizes.text_weights, bundle.random);
  return sizes;
}

}  // namespace scalekv::model
