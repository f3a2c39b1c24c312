#include "model/model_config.h"

#include "base/error.h"
#include "base/strict_json.h"
#include "model/infinity_config.h"
#include "model/random_model.h"
#include "model/vae_config.h"

namespace scalekv::model {
namespace {

// The pyramid whose last map the rotary positions are spread over; every published model has this one.
constexpr const char* kRopeReference = "1M";

// Throws Error where the entry says that `what` is another value than the engine computes with.
void require_value(const nlohmann::json& config, const char* part, const char* key, const nlohmann::json& expected,
                   const std::string& description) {
  const auto entry = config.find(part);
  if (entry == config.end() || !entry->contains(key) || entry->at(key) == expected) return;
  fail("{}: the metadata entry 'config' says {}.{} is {}, but this program computes with {} only", description, part,
       key, entry->at(key).dump(-1, ' ', true), expected.dump());
}

// `base` and `ch_mult` are the decoder's; the encoder's stand beside them where they are others.
nlohmann::json describe(const VaeConfig& config) {
  nlohmann::json described = {{"codebook", config.codebook},
                              {"stride", config.stride()},
                              {"base", config.decoder.base},
                              {"ch_mult", config.decoder.multipliers},
                              {"res_blocks", config.encoder.blocks}};
  if (config.encoder.levels() == 0) return described;
  if (config.encoder.base != config.decoder.base) described["encoder_base"] = config.encoder.base;
  if (config.encoder.multipliers != config.decoder.multipliers)
    described["encoder_ch_mult"] = config.encoder.multipliers;
  return described;
}

nlohmann::json describe(const InfinityConfig& config) {
  return {{"depth", config.depth},         {"width", config.width},           {"heads", config.heads},
          {"block_chunks", config.chunks}, {"text_width", config.text_width}, {"text_max", config.text_max},
          {"bits", config.bits},           {"patchify", config.patchify},     {"rope_reference", kRopeReference}};
}

nlohmann::json describe(const T5Config& config) {
  return {{"layers", config.layers},   {"width", config.width},
          {"heads", config.heads},     {"head_size", config.head_size},
          {"ff", config.feed_forward}, {"vocab", config.vocabulary},
          {"buckets", config.buckets}, {"max_distance", config.max_distance},
          {"eps", config.epsilon}};
}

}  // namespace

nlohmann::json read_config(const Bundle& bundle) {
  if (bundle.config_json.empty()) return nlohmann::json::object();
  const std::string where = bundle.description + ": the metadata entry 'config'";
  nlohmann::json config = parse_strict_json(bundle.config_json, where);
  if (!config.is_object()) fail("{} is no JSON object; convert the model again", where);
  for (const char* part : {"infinity", "vae", "t5", "defaults"}) {
    if (config.contains(part) && !config[part].is_object()) {
      fail("{} has no JSON object under '{}'; convert the model again", where, part);
    }
  }
  require_value(config, "infinity", "rope_reference", kRopeReference, bundle.description);
  require_value(config, "t5", "max_distance", T5Config().max_distance, bundle.description);
  require_value(config, "t5", "eps", T5Config().epsilon, bundle.description);
  return config;
}

T5Config read_text_config(const Bundle& bundle) {
  const T5Config config = infer_t5_config(*bundle.text_encoder);
  if (!bundle.text_config.empty()) check_published_config(config, bundle.text_config);
  return config;
}

nlohmann::json describe_architecture(const Bundle& bundle) {
  nlohmann::json facts = nlohmann::json::object();
  if (bundle.vae) {
    const VaeConfig vae = infer_vae_config(*bundle.vae);
    facts["vae"] = describe(vae);
    if (bundle.transformer) {
      const InfinityConfig config = infer_infinity_config(*bundle.transformer, vae.codebook);
      facts["infinity"] = describe(config);
      facts["pixels_per_token"] = vae.stride() * (config.patchify ? 2 : 1);
    }
  }
  if (bundle.text_encoder) facts["t5"] = describe(read_text_config(bundle));
  return facts;
}

nlohmann::json make_config(const Bundle& bundle, const ConfigChoices& choices, const std::string& file_name) {
  nlohmann::json config = read_config(bundle);
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
  for (const auto& [name, transformer, vae, text, published] : known_architectures()) {
    if (config.contains("name") || shape["depth"] != transformer.depth || shape["width"] != transformer.width) continue;
    config["name"] = published.name;
    defaults = {{"size", published.size}, {"cfg", published.cfg}, {"tau", published.tau}};
  }
  if (!choices.name.empty()) config["name"] = choices.name;
  if (!config.contains("name")) config["name"] = file_name;
  if (!choices.size.empty()) defaults["size"] = choices.size;
  if (choices.cfg) defaults["cfg"] = *choices.cfg;
  if (choices.tau) defaults["tau"] = *choices.tau;
  config["defaults"] = defaults;
  return config;
}

}  // namespace scalekv::model
