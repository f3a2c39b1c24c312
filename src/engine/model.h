// A model: its files, opened once, and what is loaded from them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "backend/backend.h"
#include "engine/model_calibration.h"
#include "engine/text_room.h"
#include "model/bundle.h"
#include "model/sizes.h"
#include "scalekv/pipeline.h"
#include "vae/coder.h"

namespace scalekv::engine {

// The open files of a model: names, shapes, tokenizer, and where its calibration lies. No weight is loaded.
struct ModelFiles {
  std::filesystem::path file;  // as it was opened
  OpenOptions options;
  model::Bundle bundle;
  model::ModelSizes sizes;
  std::shared_ptr<const PromptTokenizer> tokenizer;
  // What was measured of the model (docs/FORMATS.md); null as none.
  std::shared_ptr<const ModelCalibration> calibration;
  std::shared_ptr<backend::Backend> backend;  // where the model will run
};

// Its files stay open: the text encoder's weights are read again, and who refuses a request looks at them.
struct Model : ModelFiles {
  TextEncoder text_encoder;
  EncodedTexts texts;                   // of the last run
  std::optional<vae::Encoder> encoder;  // absent where the file has none
  std::string fingerprint;              // model_fingerprint(), once somebody has asked
};

// The parts that a model is made of: a model file's, published files', those of the embedded model where no path is
// given, or random ones. Nothing is loaded yet.
model::Bundle open_bundle(const std::filesystem::path& file, const OpenOptions& options);

// Does somebody name the parts' files? Otherwise the embedded model is meant.
bool names_files(const std::filesystem::path& file, const OpenOptions& options);

// A model file with its calibration, published files, the embedded model or random weights. Sets the number of threads,
// with which scratch memory grows. Throws Error naming the part that is missing or does not fit the others.
std::shared_ptr<const ModelFiles> open_files(const std::filesystem::path& file, const OpenOptions& options);
// The same of parts that are open; its options' files are not looked at, and there is no calibration.
std::shared_ptr<ModelFiles> files_of(model::Bundle bundle, const OpenOptions& options = {});

// Those that a model was loaded from.
inline std::shared_ptr<const ModelFiles> files_of(const Model& model) {
  return std::make_shared<const ModelFiles>(model);
}

// Loads the weights, which can be done once with the same files. Throws Error naming the part that does not fit.
std::unique_ptr<Model> load_model(std::shared_ptr<const ModelFiles> files);

// Both in one.
std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options);

// The features of texts, in the same order; an empty text has none. Each distinct text is encoded once, and its
// features are held until other texts are asked for.
std::vector<View<const float>> encode_texts(Model& model, std::span<const std::string> texts);

// The model that is built into the library, and its file's bytes. Throws Error where it was built without one.
std::span<const std::byte> embedded_model_bytes();
model::Bundle open_embedded_bundle();
// Its calibration, as JSON.
std::string embedded_calibration();

}  // namespace scalekv::engine
