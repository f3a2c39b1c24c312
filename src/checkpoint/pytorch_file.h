// Reads PyTorch archives (.pth, .pt, .bin as torch.save writes them since version 1.6) by mapping them.
#pragma once

#include <memory>

#include "checkpoint/mapped_file.h"
#include "checkpoint/tensor_source.h"

namespace scalekv::checkpoint {

// Opens a zip archive that torch.save wrote. Nested dictionaries become dotted names
// ("trainer.gpt_fsdp.word_embed..."). Tensors are used where they lie; those that are strided otherwise than row by row
// are gathered when they are loaded. Throws Error naming the file and what in it is damaged or refused.
std::shared_ptr<const TensorSource> open_pytorch(std::shared_ptr<const MappedFile> file);

// Whether a file was written by torch.save before version 1.6: one pickle after another, no archive.
bool looks_like_legacy_pytorch(const MappedFile& file);

}  // namespace scalekv::checkpoint
