// Published checkpoints become one model file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "scalekv/api.h"
#include "scalekv/progress.h"

namespace scalekv {

struct ConvertOptions {
  // A model file to start from, and published files in the place of its parts: all three where there is none.
  std::filesystem::path model = {}, transformer = {}, vae = {}, text_encoder = {};
  bool ema = false;              // as OpenOptions::ema
  std::string weights = "bf16";  // how matrices are written: "f32", "bf16" or "int8"
  bool encoder = true;           // the VAE's encoder too, which only Pipeline::reconstruct needs
  // What the file says of itself; empty: what the source says, or is known of models of these sizes.
  std::string name = {}, default_size = {};
  std::optional<double> default_cfg = {}, default_tau = {};
};

struct Conversion {
  std::string name;  // of the model
  std::int64_t tensors = 0;
  std::int64_t bytes = 0;
};

// Writes a .safetensors file, with the calibration beside the sources where there is one. Throws Error naming a part,
// a tensor or a path; no half file is left behind.
SCALEKV_API Conversion convert(const ConvertOptions& options, const std::filesystem::path& out,
                               const WorkCallback& progress = {});

}  // namespace scalekv
