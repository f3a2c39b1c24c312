// Writes a model as our one file (docs/FORMATS.md), tensor by tensor: memory for one piece of a tensor is enough.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "model/bundle.h"
#include "runtime/weight_type.h"

namespace scalekv::model {

struct ConversionOptions {
  // How matrices and convolution kernels are written; all else is f32. int8: the matrices of the transformer's blocks
  // are rounded, its other ones f32, those of VAE and text encoder bf16.
  WeightType weights = WeightType::bf16;
  // Whether the VAE's encoder goes in, which only pictures as input need.
  bool encoder = true;
  // The metadata entry `config`.
  std::string config_json = {};
  // The metadata entry `calibration`; empty: none.
  std::string calibration_json = {};
};

// What a tensor of the new file is of its source: the same numbers, or a part of what int8 matrices consist of.
enum class Derivation : std::uint8_t { elements, codes, scales, rotation };

// One tensor of the new file and where it comes from.
struct ConvertedTensor {
  formats::TensorInfo target;                   // under its new name and type
  const formats::TensorInfo* source = nullptr;  // nullptr: the tokenizer's bytes
  const formats::WeightMap* part = nullptr;
  Derivation derivation = Derivation::elements;
  std::int64_t rotation = 1;  // of what an int8 matrix consists of
};

// What the new file will hold, in its order: what the engine reads and nothing else. Throws Error naming a part that
// the bundle lacks.
std::vector<ConvertedTensor> list_converted_tensors(const Bundle& bundle, const ConversionOptions& options);

// Bytes that these tensors take.
std::int64_t converted_bytes(const std::vector<ConvertedTensor>& tensors);

// Writes the file, whose bytes depend on the sources' contents and file names and on the options alone. Throws Error
// naming a tensor that holds a NaN or an infinity, and the path where it cannot be written. Where `progress` throws, no
// file is left behind.
void convert_model(const Bundle& bundle, const std::filesystem::path& path, const ConversionOptions& options,
                   const WorkProgress& progress);

}  // namespace scalekv::model
