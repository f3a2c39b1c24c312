// A loaded model: its parts and its own defaults.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "checkpoint/bundle.h"
#include "infinity/transformer.h"
#include "scalekv/scalekv.h"
#include "text/t5_encoder.h"
#include "text/tokenizer.h"
#include "vae/decoder.h"
#include "vae/encoder.h"

namespace scalekv::pipeline {

// How a model is sampled unless the request says otherwise.
struct ModelDefaults {
  std::string size = "1M";
  float cfg = 4.0F;
  float tau = 1.0F;
};

struct Model {
  std::string name;
  ModelDefaults defaults;
  vae::VaeConfig vae_config;
  text::Tokenizer tokenizer;
  text::T5Encoder text_encoder;
  infinity::Transformer transformer;
  vae::Decoder decoder;
  std::optional<vae::Encoder> encoder;  // absent where the file has none

  // Pixels that a token covers in each direction.
  std::int64_t pixels_per_token() const { return vae_config.stride() * (transformer.config().patchify ? 2 : 1); }
};

// Throws Error naming the part that is missing or does not fit the others.
std::unique_ptr<Model> load_model(checkpoint::Bundle bundle);

// The model that is built into the library. Throws Error where it was built without one.
checkpoint::Bundle open_embedded_bundle();

}  // namespace scalekv::pipeline
