// Pictures: 8-bit RGB.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "scalekv/api.h"

namespace scalekv {

enum class ImageFormat { png, jpeg, webp };

// What a name asks for: .png, .jpg or .jpeg, .webp, in small or capital letters. Throws UsageError on any other.
SCALEKV_API ImageFormat image_format(const std::filesystem::path& name);

// How a file's pixels are laid out: as they are stored, or turned as its EXIF orientation says.
enum class Orientation { stored, upright };

struct ImageOptions {
  // Of JPEG and WebP, 1 (small) to 100 (best); 0: 95 for JPEG, 90 for WebP. PNG has none.
  int quality = 0;
};

struct SCALEKV_API Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> rgb;  // [height, width, 3]

  // Reads a PNG, JPEG or WebP file, told apart by content: the pixels that Pillow's convert("RGB") has
  // (docs/METRICS.md). Throws Error naming the path where it is damaged, too large or something else.
  static Image read(const std::filesystem::path& path, Orientation orientation = Orientation::stored);
  // The same of a file's bytes; errors call them `name`.
  static Image decode(std::string_view bytes, const std::string& name, Orientation orientation = Orientation::stored);

  // The bytes of a file that also carries `text` (prompt, seed, settings): PNG all of it in text entries, JPEG as a
  // JSON comment, JPEG and WebP the entry "parameters" as EXIF user comment. The same arguments always give the same
  // bytes. Throws UsageError on a quality that is not possible.
  std::vector<std::uint8_t> encode(ImageFormat format, const std::map<std::string, std::string>& text = {},
                                   const ImageOptions& options = {}) const;
  // Writes what encode() gives for the path's name (image_format), beside first, then renamed: never half a file.
  // Throws Error naming the path where it cannot be written.
  void write(const std::filesystem::path& path, const std::map<std::string, std::string>& text = {},
             const ImageOptions& options = {}) const;
  // The same, a PNG whatever the name.
  void write_png(const std::filesystem::path& path, const std::map<std::string, std::string>& text = {}) const;

  bool operator==(const Image&) const = default;
};

}  // namespace scalekv
