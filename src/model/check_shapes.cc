#include "model/check_shapes.h"

#include "model/model_config.h"
#include "model/tensor_table.h"
#include "model/weights.h"

namespace scalekv::model {
namespace {

void check_transformer(formats::WeightMap& weights, const std::optional<formats::WeightMap>& vae) {
  // Without a VAE nobody knows whether a token is 2x2 cells, on which no shape depends.
  const Shape& bits = weights.shape("word_embed.weight");
  const std::int64_t codebook = vae ? infer_vae_config(*vae).codebook : bits.rank() == 2 ? bits[1] : 0;
  visit_transformer(infer_infinity_config(weights, codebook), [&](const TableEntry& entry) {
    if (weights.has(entry.name + "_scale") && entry.shape.rank() == 2) {
      static_cast<void>(take_int8(weights, entry.name, entry.shape[1], entry.shape[0]));
    } else {
      static_cast<void>(weights.take(entry.name, entry.shape));
    }
  });
  ignore_transformer_leftovers(weights);
  weights.expect_all_used();
}

void check_vae(formats::WeightMap& weights) {
  const VaeConfig config = infer_vae_config(weights);
  const auto take = [&](const TableEntry& entry) { static_cast<void>(weights.take(entry.name, entry.shape)); };
  visit_decoder(config, take);
  if (has_encoder(weights)) visit_encoder(config, take);
  ignore_vae_leftovers(weights);
  weights.expect_all_used();
}

void check_text_encoder(formats::WeightMap& weights, const T5Config& config) {
  visit_text_encoder(config, [&](const TableEntry& entry) {
    const bool embedding = entry.name == "shared.weight";
    static_cast<void>(weights.take(embedding ? embedding_name(weights) : entry.name, entry.shape));
  });
  ignore_t5_leftovers(weights);
  weights.expect_all_used();
}

}  // namespace

void check_readable(const Bundle& bundle) {
  // shape() fails for what is there and cannot be read.
  const auto look_at = [](const formats::WeightMap& weights, const std::string& name) {
    if (weights.has(name)) static_cast<void>(weights.shape(name));
  };
  if (bundle.vae) {
    const VaeConfig config = infer_vae_config(*bundle.vae);
    const auto visit = [&](const TableEntry& entry) { look_at(*bundle.vae, entry.name); };
    visit_decoder(config, visit);
    if (has_encoder(*bundle.vae)) visit_encoder(config, visit);
    if (bundle.transformer) {
      visit_transformer(infer_infinity_config(*bundle.transformer, config.codebook),
                        [&](const TableEntry& entry) { look_at(*bundle.transformer, entry.name); });
    }
  }
  if (bundle.text_encoder) {
    visit_text_encoder(read_text_config(bundle),
                       [&](const TableEntry& entry) { look_at(*bundle.text_encoder, entry.name); });
  }
}

std::vector<std::string> check_shapes(Bundle& bundle) {
  std::vector<std::string> parts;
  if (bundle.transformer) {
    check_transformer(*bundle.transformer, bundle.vae);
    parts.emplace_back("transformer");
  }
  if (bundle.vae) {
    check_vae(*bundle.vae);
    parts.emplace_back("VAE");
  }
  if (bundle.text_encoder) {
    check_text_encoder(*bundle.text_encoder, read_text_config(bundle));
    parts.emplace_back("text encoder");
  }
  return parts;
}

}  // namespace scalekv::model
