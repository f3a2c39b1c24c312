// Files that lie under a model's name but are none: what they are, and what to do.
#pragma once

#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/zip_archive.h"

namespace scalekv::formats {

// Throws Error where a file is only what a download or git put in the place of one: a git-lfs pointer, a web page, a
// message of a server, zeros.
void refuse_stand_in(const MappedFile& file);

// Throws Error that says what a file is which is of no format that can be read.
[[noreturn]] void refuse_foreign(const MappedFile& file);

// The same for a zip archive that holds no PyTorch file.
[[noreturn]] void refuse_foreign_zip(const std::string& path, const std::vector<ZipEntry>& entries);

}  // namespace scalekv::formats
