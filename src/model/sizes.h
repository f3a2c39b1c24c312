// The sizes of a model's parts, read off names and shapes: no weight is touched.
#pragma once

#include <cstdint>
#include <string>

#include "model/infinity_config.h"
#include "model/parts.h"
#include "model/t5_config.h"
#include "model/vae_config.h"
#include "runtime/weight_type.h"

namespace scalekv::model {

inline constexpr std::int64_t kFloatBytes = sizeof(float);

// How a model is sampled unless the request says otherwise.
struct ModelDefaults {
  std::string size = "1M";
  float cfg = 4.0F;
  float tau = 1.0F;
};

struct ModelSizes {
  std::string name = "infinity";
  ModelDefaults defaults;
  InfinityConfig transformer;
  VaeConfig vae;
  T5Config text;
  WeightType weights = WeightType::f32;       // of the transformer's matrices
  WeightType text_weights = WeightType::f32;  // of the text encoder's
  // In memory, under the ledger's `weights`. What a file holds in the form it is used in stays mapped and is not
  // counted.
  std::int64_t weight_bytes = 0;       // transformer and VAE
  std::int64_t text_weight_bytes = 0;  // text encoder

  // Pixels that a token covers in each direction.
  std::int64_t pixels_per_token() const { return vae.stride() * (transformer.patchify ? 2 : 1); }
};

// Throws Error naming a part that is missing or does not fit the others. weights: as OpenOptions::weights.
ModelSizes read_sizes(const Bundle& bundle, const std::string& weights);

// What a part takes of the ledger's `weights` with the matrices of its blocks held as `type`; `made`: its tensors are
// made in memory, not mapped from a file.
std::int64_t part_bytes(const Part& part, WeightType type, bool made);

}  // namespace scalekv::model
