// Reads models in several files: Hugging Face folders, whose index says which file holds which tensor.
#pragma once

#include <filesystem>
#include <memory>

#include "formats/tensor_source.h"

namespace scalekv::formats {

// Opens the weights in a folder: model.safetensors or its index, else pytorch_model.bin or its index.
// Throws Error naming the folder and what is missing in it.
std::shared_ptr<const TensorSource> open_model_folder(const std::filesystem::path& folder);

// Opens the files that an index .json names; they lie beside it. A name that leads out of the folder is refused;
// symbolic links are followed, since the hub's cache is made of them. Throws Error naming index, file and tensor.
std::shared_ptr<const TensorSource> open_index(const std::filesystem::path& index);

}  // namespace scalekv::formats
