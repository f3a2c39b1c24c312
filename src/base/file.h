// Whole files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv {

// Throws Error naming the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

// Writes beside the path, then renames: the file is whole or not there. Throws Error naming the path and the reason.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
// The same, written to `beside` first, which lies on the same file system.
void write_file(const std::filesystem::path& path, const std::filesystem::path& beside,
                std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

// Of a file that grows line by line, whose last line may have been cut short: the lines that end with a newline,
// without it; parts of `text`. What follows the last newline is left out.
std::vector<std::string_view> whole_lines(std::string_view text);

}  // namespace scalekv
