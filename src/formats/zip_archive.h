// Zip archives as PyTorch writes them (entries stored, so that they can be used where they lie) and as others do
// (deflated).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace scalekv::formats {

struct ZipEntry {
  std::string_view name;
  std::string_view bytes;  // as they lie in the file
  bool deflated = false;
  std::uint64_t size = 0;  // of the data, decompressed
};

// Whether a file begins as a zip archive does.
bool looks_like_zip(const MappedFile& file);

// The entries, sorted by name; they look at the file's bytes. Checks the central directory against the local headers:
// names, methods and sizes must agree, ranges must lie in the file without overlap, names must be unique.
// Throws Error naming the file and the entry.
std::vector<ZipEntry> read_zip(const MappedFile& file);

}  // namespace scalekv::formats
