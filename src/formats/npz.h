// NumPy's .npz files: a zip archive of arrays (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/mapped_file.h"
#include "runtime/tensor.h"

namespace scalekv::formats {

// Every array of a file by its name, as float64. Entries may be stored or deflated; arrays must be of float32 or
// float64, little-endian, in C order. Throws Error naming the file and the array.
std::map<std::string, Tensor> read_npz(const MappedFile& file);
std::map<std::string, Tensor> read_npz(const std::filesystem::path& path);

// Writes float64 arrays the way numpy.savez does (stored). Throws Error naming the path where it cannot be written.
void write_npz(const std::filesystem::path& path, const std::map<std::string, Tensor>& arrays);

}  // namespace scalekv::formats
