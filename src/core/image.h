// PNG and JPEG in memory, and what they say beside the picture.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "scalekv/image.h"

namespace scalekv {

// Larger pictures are not read.
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{64} << 20;

// The bytes of a PNG file; the same picture and text always give the same bytes.
std::vector<std::uint8_t> encode_png(const Image& image, const std::map<std::string, std::string>& text = {});

// The bytes of a JPEG file (quality 95, colour at half the resolution) with a comment, if that is not empty; the same
// picture and comment always give the same bytes.
std::vector<std::uint8_t> encode_jpeg(const Image& image, const std::string& comment = {});

// The text entries of a PNG file (tEXt and iTXt). Throws Error naming the path.
std::map<std::string, std::string> read_png_text(const std::filesystem::path& path);

}  // namespace scalekv
