// A loaded model: its parts and its own defaults.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cache/calibration.h"
#include "checkpoint/bundle.h"
#include "core/weight_type.h"
#include "infinity/transformer.h"
#include "pipeline/sizes.h"
#include "pipeline/text_room.h"
#include "scalekv/scalekv.h"
#include "vae/decoder.h"
#include "vae/encoder.h"

namespace scalekv::pipeline {

struct Model {
  std::string name;
  ModelDefaults defaults;
  WeightType weights = WeightType::f32;  // of the transformer's matrices
  vae::VaeConfig vae_config;
  PromptTokenizer tokenizer;
  TextEncoder text_encoder;
  infinity::Transformer transformer;
  vae::Decoder decoder;
  std::optional<vae::Encoder> encoder;  // absent where the file has none
  // What was measured of the model, where that is known (docs/FORMATS.md); may be null.
  std::shared_ptr<const cache::Calibration> calibration = nullptr;

  // Pixels that a token covers in each direction.
  std::int64_t pixels_per_token() const { return vae_config.stride() * (transformer.config().patchify ? 2 : 1); }
};

// The parts that a model is made of: a model file's, published files', those of the embedded model where no path is
// given, or random ones. Nothing is loaded yet.
checkpoint::Bundle open_bundle(const std::filesystem::path& file, const OpenOptions& options);

// NAME.calibration.json beside the file NAME.* that holds the transformer: the one that is named for it, else the
// model's. Empty where neither is named.
std::filesystem::path calibration_beside(const std::filesystem::path& model, const std::filesystem::path& transformer);

// Throws Error where a file that was made for one model (`made_for`; empty: it does not say) meets another.
void check_model_name(const std::string& made_for, const std::string& model, const std::string& where);

// What was measured of that model: the file beside it, or what its metadata hold, or the embedded one; null where there
// is none. Throws Error where it is of another model.
std::shared_ptr<const cache::Calibration> open_calibration(const std::filesystem::path& file,
                                                           const OpenOptions& options,
                                                           const checkpoint::Bundle& bundle);

// Sets the number of threads that the options ask for.
void use_threads(const OpenOptions& options);

// Opens a model file with its calibration, published files, the embedded model
// or random weights, and sets the number of threads. calibrated: read what was measured of the model, too.
std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options,
                                  bool calibrated = true);

// `weights`: as OpenOptions::weights. Throws Error naming the part that is missing or does not fit the others.
// keep_text_encoder: as in OpenOptions.
std::unique_ptr<Model> load_model(checkpoint::Bundle bundle, const std::string& weights = {},
                                  bool keep_text_encoder = false);

// The model that is built into the library, and its file's bytes. Throws Error where it was built without one.
std::span<const std::byte> embedded_model_bytes();
checkpoint::Bundle open_embedded_bundle();
// Its calibration, as JSON.
std::string embedded_calibration();

}  // namespace scalekv::pipeline
