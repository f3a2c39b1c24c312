// Pictures: 8-bit RGB.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace scalekv {

struct Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> rgb;  // [height, width, 3]

  // Reads a PNG or JPEG file. Throws Error naming the path where it is damaged, too large or something else.
  static Image read(const std::filesystem::path& path);
  // Writes a PNG with text entries (prompt, seed, settings), beside first, then renamed: never half a file.
  // Throws Error naming the path where it cannot be written.
  void write_png(const std::filesystem::path& path, const std::map<std::string, std::string>& text = {}) const;

  bool operator==(const Image&) const = default;
};

}  // namespace scalekv
