// What a model file says about itself: the metadata entry `config` (docs/FORMATS.md).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "model/bundle.h"
#include "model/t5_config.h"

namespace scalekv::model {

// The entry as the file has it; an empty object where it has none. Throws Error where it is no such object, or says
// that the model computes otherwise than this engine does (positions, the text encoder's constants).
nlohmann::json read_config(const Bundle& bundle);

// The text encoder's sizes. Throws Error where the config.json beside it says otherwise.
T5Config read_text_config(const Bundle& bundle);

// The sizes of the parts that are there, read off the tensors: "vae", "infinity", "t5", "pixels_per_token".
nlohmann::json describe_architecture(const Bundle& bundle);

// What a person said about a model to be written; empty: known or general values.
struct ConfigChoices {
  std::string name = {};
  std::string size = {};
  std::optional<double> cfg = {};
  std::optional<double> tau = {};
};

// The entry for a new file of these parts: sizes, and name and defaults as chosen, else as the source has them, else
// those of the published model of these sizes, else `file_name` and general ones.
nlohmann::json make_config(const Bundle& bundle, const ConfigChoices& choices, const std::string& file_name);

}  // namespace scalekv::model
