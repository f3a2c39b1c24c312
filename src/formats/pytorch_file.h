// Reads PyTorch files (.pth, .pt, .bin as torch.save writes them) by mapping them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "formats/pickle.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {

// What a file holds: its pickle, and the storages that its tensors are windows on, by key.
struct PytorchParts {
  PickledContents contents;
  std::map<std::string, std::string_view, std::less<>> storages;
};

// Opens a zip archive that torch.save wrote, or a file of the format it had before version 1.6. Nested dictionaries
// become dotted names ("trainer.gpt_fsdp.word_embed..."). Tensors are used where they lie; those that are strided
// otherwise than row by row are gathered when they are loaded. Throws Error naming the file and what in it is damaged
// or refused.
std::shared_ptr<const TensorSource> open_pytorch(std::shared_ptr<const MappedFile> file);

// The files that torch.save wrote before version 1.6: pickles one after another, then the storages. Much of what is
// published for measuring pictures is of this kind.
// Whether a file begins as such a file does.
bool looks_like_legacy_pytorch(const MappedFile& file);

// The tensors and the storages, which look at the file's bytes. Throws Error naming the file and what in it is damaged
// or refused.
PytorchParts read_legacy_pytorch(const MappedFile& file);

}  // namespace scalekv::formats
