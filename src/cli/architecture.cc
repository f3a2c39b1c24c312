#include "cli/architecture.h"

#include "infinity/config.h"
#include "text/config.h"
#include "vae/config.h"

namespace scalekv::cli {
namespace {

nlohmann::json describe(const vae::VaeConfig& config) {
  return {{"codebook", config.codebook},
          {"stride", config.stride()},
          {"base", config.base},
          {"ch_mult", config.multipliers},
          {"res_blocks", config.encoder_blocks}};
}

nlohmann::json describe(const infinity::InfinityConfig& config) {
  return {{"depth", config.depth},         {"width", config.width},           {"heads", config.heads},
          {"block_chunks", config.chunks}, {"text_width", config.text_width}, {"text_max", config.text_max},
          {"bits", config.bits},           {"patchify", config.patchify},     {"rope_reference", "1M"}};
}

nlohmann::json describe(const text::T5Config& config) {
  return {{"layers", config.layers},
          {"width", config.width},
          {"heads", config.heads},
          {"head_size", config.head_size},
          {"ff", config.feed_forward},
          {"vocab", config.vocabulary},
          {"buckets", config.buckets},
          {"max_distance", config.max_distance},
          {"eps", 1e-6}};
}

}  // namespace

nlohmann::json describe_architecture(const checkpoint::Bundle& bundle) {
  nlohmann::json facts = nlohmann::json::object();
  if (bundle.vae) {
    const vae::VaeConfig vae = vae::infer_vae_config(*bundle.vae);
    facts["vae"] = describe(vae);
    if (bundle.transformer) {
      const infinity::InfinityConfig config = infinity::infer_infinity_config(*bundle.transformer, vae.codebook);
      facts["infinity"] = describe(config);
      facts["pixels_per_token"] = vae.stride() * (config.patchify ? 2 : 1);
    }
  }
  if (bundle.text_encoder) facts["t5"] = describe(text::infer_t5_config(*bundle.text_encoder));
  return facts;
}

}  // namespace scalekv::cli
