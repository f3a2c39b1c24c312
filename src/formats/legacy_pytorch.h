// The files that torch.save wrote before version 1.6: pickles one after another, then the storages. Much of what is
// published for measuring pictures is of this kind.
#pragma once

#include "base/mapped_file.h"
#include "formats/pytorch_file.h"

namespace scalekv::formats {

// Whether a file begins as such a file does.
bool looks_like_legacy_pytorch(const MappedFile& file);

// The tensors and the storages, which look at the file's bytes. Throws Error naming the file and what in it is damaged
// or refused.
PytorchParts read_legacy_pytorch(const MappedFile& file);

}  // namespace scalekv::formats
