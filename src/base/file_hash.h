// The SHA-256 of a whole file.
#pragma once

#include <filesystem>
#include <string>

#include "base/progress.h"

namespace scalekv {

// In hexadecimal, as sha256sum prints it. Takes no memory for the file. Throws Error naming the path.
std::string hash_file(const std::filesystem::path& path, const WorkProgress& progress);

}  // namespace scalekv
