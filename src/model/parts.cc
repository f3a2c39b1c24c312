#include "model/parts.h"

#include "model/layer_tensors.h"
#include "model/model_config.h"

namespace scalekv::model {
namespace {

// Without a VAE nobody knows whether a token is 2x2 cells, on which no shape depends.
std::int64_t codebook_of(const Bundle& bundle) {
  if (bundle.vae) return infer_vae_config(*bundle.vae).codebook;
  const Shape& bits = bundle.transformer->shape("word_embed.weight");
  return bits.rank() == 2 ? bits[1] : 0;
}

}  // namespace

std::vector<Part> parts_of(const Bundle& bundle) {
  std::vector<Part> parts;
  if (bundle.transformer) {
    const InfinityConfig config = infer_infinity_config(*bundle.transformer, codebook_of(bundle));
    parts.push_back({"transformer", "gpt.", &*bundle.transformer, infinity_table(config)});
  }
  if (bundle.vae) parts.push_back({"VAE", "vae.", &*bundle.vae, vae_table(infer_vae_config(*bundle.vae))});
  if (bundle.text_encoder) {
    parts.push_back({"text encoder", "t5.", &*bundle.text_encoder, t5_table(read_text_config(bundle))});
  }
  return parts;
}

void check_readable(const Bundle& bundle) {
  for (const Part& part : parts_of(bundle)) {
    part.table.visit([&](const TableEntry& entry) {
      // shape() fails for what is there and cannot be read.
      if (part.weights->has(entry.name)) static_cast<void>(part.weights->shape(entry.name));
    });
  }
}

std::vector<std::string> check_shapes(const Bundle& bundle) {
  std::vector<std::string> names;
  for (const Part& part : parts_of(bundle)) {
    formats::WeightMap weights = *part.weights;
    part.table.visit([&](const TableEntry& entry) {
      if (entry.spec.role == Role::unread) return;
      if (is_int8(weights, entry.name, entry.spec)) {
        static_cast<void>(take_int8(weights, entry.name, entry.spec));
      } else {
        static_cast<void>(weights.take(entry.name, entry.spec.shape));
      }
    });
    expect_all_used(weights, part.table);
    names.emplace_back(part.name);
  }
  return names;
}

}  // namespace scalekv::model
