// Reads .safetensors files by mapping them. https://github.com/huggingface/safetensors#format
#pragma once

#include <filesystem>
#include <memory>

#include "base/mapped_file.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {

// Whether a file looks like one: a plausible header length, then '{'.
bool looks_like_safetensors(const MappedFile& file);

// Checks the whole header: its length, every name, element type, shape and range; the ranges must tile the data
// section without overlap, gap or rest, as the format demands. Throws Error naming file and tensor.
std::shared_ptr<const TensorSource> open_safetensors(std::shared_ptr<const MappedFile> file);

}  // namespace scalekv::formats
