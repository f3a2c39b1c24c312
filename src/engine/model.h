// A loaded model: its parts and its own defaults.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/model_calibration.h"
#include "engine/text_room.h"
#include "infinity/transformer.h"
#include "model/bundle.h"
#include "model/sizes.h"
#include "runtime/weight_type.h"
#include "scalekv/scalekv.h"
#include "vae/decoder.h"
#include "vae/encoder.h"

namespace scalekv::engine {

struct Model {
  std::string name;
  model::ModelDefaults defaults;
  WeightType weights = WeightType::f32;  // of the transformer's matrices
  model::VaeConfig vae_config;
  PromptTokenizer tokenizer;
  TextEncoder text_encoder;
  infinity::Transformer transformer;
  vae::Decoder decoder;
  std::optional<vae::Encoder> encoder;  // absent where the file has none
  // What was measured of the model (docs/FORMATS.md); null as none.
  std::shared_ptr<const ModelCalibration> calibration = nullptr;

  // Pixels that a token covers in each direction.
  std::int64_t pixels_per_token() const { return vae_config.stride() * (transformer.config().patchify ? 2 : 1); }
};

// The parts that a model is made of: a model file's, published files', those of the embedded model where no path is
// given, or random ones. Nothing is loaded yet.
model::Bundle open_bundle(const std::filesystem::path& file, const OpenOptions& options);

// Does somebody name the parts' files? Otherwise the embedded model is meant.
bool names_files(const std::filesystem::path& file, const OpenOptions& options);

// What comes with that model, read later. Throws Error where the parts do not fit each other.
std::shared_ptr<const ModelCalibration> find_calibration(const std::filesystem::path& file, const OpenOptions& options,
                                                         const model::Bundle& bundle);

// Sets the number of threads that the options ask for.
void use_threads(const OpenOptions& options);

// Opens a model file with its calibration, published files, the embedded model or random weights, and sets the number
// of threads.
std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options);

// `options`: how weights are held, and what is kept and told; its files are not opened. Throws Error naming the part
// that is missing or does not fit the others.
std::unique_ptr<Model> load_model(model::Bundle bundle, const OpenOptions& options = {});

// The model that is built into the library, and its file's bytes. Throws Error where it was built without one.
std::span<const std::byte> embedded_model_bytes();
model::Bundle open_embedded_bundle();
// Its calibration, as JSON.
std::string embedded_calibration();

}  // namespace scalekv::engine
