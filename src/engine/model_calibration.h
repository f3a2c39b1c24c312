// What was measured of a model: where it lies, and reading it when a policy first asks for it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cache/calibration.h"
#include "model/bundle.h"
#include "scalekv/pipeline.h"

namespace scalekv::engine {

// A calibration, and how a picture's metadata name it.
struct KnownCalibration {
  std::shared_ptr<const cache::Calibration> content;
  std::string name;    // of its file, without the folder
  std::string sha256;  // of its text
};

// The file at `path`. Throws Error where it is damaged, or of another model than `model`.
KnownCalibration read_named_calibration(const std::filesystem::path& path, const std::string& model);

// Throws Error where a file that was made for one model (`made_for`; empty: it does not say) meets another.
void check_model_name(const std::string& made_for, const std::string& model, const std::string& where);

// NAME.calibration.json beside the file NAME.* that holds the transformer: the one that is named for it, else the
// model's. Empty where neither is named.
std::filesystem::path calibration_beside(const std::filesystem::path& model, const std::filesystem::path& transformer);

// The calibration that comes with a model: the file beside it, or what its metadata hold, or the embedded one. Nothing
// is read before somebody asks, so that a damaged one only stops those who need it.
class ModelCalibration {
 public:
  // file, options: as the model was opened. model: its name.
  ModelCalibration(const std::filesystem::path& file, const OpenOptions& options, const model::Bundle& bundle,
                   std::string model);

  // Null where there is none. Not to be called from several threads at once. Throws as read_named_calibration does.
  const KnownCalibration* read() const;

 private:
  std::string model_;
  std::string name_, where_;
  std::function<std::string()> text_;  // empty: there is none
  mutable std::optional<KnownCalibration> known_;
};

}  // namespace scalekv::engine
