// PNG, JPEG and WebP in memory, and what they say beside the picture.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scalekv/image.h"

namespace scalekv {

// Larger pictures are not read.
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{64} << 20;

// image_format() where the name asks for one of them.
std::optional<ImageFormat> find_image_format(const std::filesystem::path& name);

// Where there are no pixels, or too many, throws Error naming the file.
void check_image_size(std::int64_t width, std::int64_t height, const std::string& name);

// A picture with the orientation (1 to 8) that its file's EXIF part gives.
struct DecodedImage {
  Image image;
  int orientation = 1;
};

// Each throws Error, calling the bytes `name`.
DecodedImage decode_png(std::string_view bytes, const std::string& name);
DecodedImage decode_jpeg(std::string_view bytes, const std::string& name);
DecodedImage decode_webp(std::string_view bytes, const std::string& name);

std::vector<std::uint8_t> encode_png(const Image& image, const std::map<std::string, std::string>& text = {});

// What a JPEG or WebP file says; empty: nothing.
struct ImageNotes {
  std::string comment;     // JPEG only
  std::string parameters;  // the EXIF user comment
};
// Colour at half the resolution.
std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality, const ImageNotes& notes);
std::vector<std::uint8_t> encode_webp(const Image& image, int quality, const ImageNotes& notes);

// The text entries of a PNG file (tEXt and iTXt). Throws Error naming the path.
std::map<std::string, std::string> read_png_text(const std::filesystem::path& path);

}  // namespace scalekv
