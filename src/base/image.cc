#include "base/image.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.h"
#include "base/exif.h"
#include "base/file.h"
#include "base/utf8.h"

namespace scalekv {
namespace {

constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{512} << 20;
constexpr int kJpegQuality = 95, kWebpQuality = 90;

bool is_png(std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); }
bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xff\xd8\xff"); }
bool is_webp(std::string_view bytes) { return bytes.starts_with("RIFF") && bytes.substr(8).starts_with("WEBP"); }

// Formats that pictures often have and that are not read: how their files begin, from a byte on.
struct KnownFormat {
  std::string_view name;
  std::size_t from;
  std::string_view begin;
};
constexpr KnownFormat kOtherFormats[] = {
    {"GIF", 0, "GIF8"},           {"BMP", 0, "BM"},
    {"TIFF", 0, {"II*\0", 4}},    {"TIFF", 0, {"MM\0*", 4}},
    {"AVIF", 4, "ftypavi"},       {"HEIC", 4, "ftyphe"},
    {"HEIC", 4, "ftypmif1"},      {"HEIC", 4, "ftypmsf1"},
    {"JPEG XL", 0, "\xff\x0a"},   {"JPEG XL", 4, "JXL \r\n"},
    {"JPEG 2000", 4, "jP  \r\n"}, {"JPEG 2000", 0, "\xff\x4f\xff\x51"},
    {"Photoshop", 0, "8BPS"},     {"SVG", 0, "<svg"},
};

[[noreturn]] void refuse(std::string_view bytes, const std::string& name) {
  if (bytes.empty()) fail("{} is empty, not a PNG, JPEG or WebP file; get it again", name);
  for (const KnownFormat& format : kOtherFormats) {
    if (bytes.size() > format.from && bytes.substr(format.from).starts_with(format.begin)) {
      fail("{} is a {} file; PNG, JPEG and WebP are read: convert it to PNG", name, format.name);
    }
  }
  fail("{} is not a PNG, JPEG or WebP file; convert it to PNG", name);
}

DecodedImage decode_any(std::string_view bytes, const std::string& name) {
  if (is_png(bytes)) return decode_png(bytes, name);
  if (is_jpeg(bytes)) return decode_jpeg(bytes, name);
  if (bytes.size() >= 12 && is_webp(bytes)) return decode_webp(bytes, name);
  refuse(bytes, name);
}

ImageNotes notes_of(std::map<std::string, std::string> text) {
  ImageNotes notes;
  if (const auto parameters = text.extract("parameters")) notes.parameters = parameters.mapped();
  // A file's name among the entries may be anything but UTF-8.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  if (!text.empty()) notes.comment = nlohmann::json(text).dump(-1, ' ', false, kReplace);
  return notes;
}

}  // namespace

std::optional<ImageFormat> find_image_format(const std::filesystem::path& name) {
  const std::string ending = ascii_lower(name.extension().string());
  if (ending == ".png") return ImageFormat::png;
  if (ending == ".jpg" || ending == ".jpeg") return ImageFormat::jpeg;
  if (ending == ".webp") return ImageFormat::webp;
  return std::nullopt;
}

ImageFormat image_format(const std::filesystem::path& name) {
  const std::optional<ImageFormat> format = find_image_format(name);
  if (!format) fail_usage("{}: a picture's name ends with .png, .jpg, .jpeg or .webp", name.string());
  return *format;
}

void check_image_size(std::int64_t width, std::int64_t height, const std::string& name) {
  if (width < 1 || height < 1 || width > kMaxImagePixels / height) {
    fail("{} has {}x{} pixels; at most {} million are read", name, width, height, kMaxImagePixels >> 20);
  }
}

Image Image::decode(std::string_view bytes, const std::string& name, Orientation orientation) {
  DecodedImage decoded = decode_any(bytes, name);
  return turned(std::move(decoded.image), orientation == Orientation::upright ? decoded.orientation : 1);
}

Image Image::read(const std::filesystem::path& path, Orientation orientation) {
  std::error_code failed;
  const std::uintmax_t size = std::filesystem::file_size(path, failed);
  if (!failed && size > kMaxFileBytes) {
    fail("{} has {} MB; pictures of at most {} MB are read", path.string(), size >> 20, kMaxFileBytes >> 20);
  }
  return decode(read_file(path), path.string(), orientation);
}

std::vector<std::uint8_t> Image::encode(ImageFormat format, const std::map<std::string, std::string>& text,
                                        const ImageOptions& options) const {
  if (options.quality < 0 || options.quality > 100) {
    fail_usage("a quality of {} is not possible; choose 1 to 100", options.quality);
  }
  if (format == ImageFormat::png) {
    if (options.quality != 0)
      fail_usage("PNG keeps every pixel and has no quality; leave it out, or write JPEG or WebP");
    return encode_png(*this, text);
  }
  const bool jpeg = format == ImageFormat::jpeg;
  const int quality = options.quality != 0 ? options.quality : jpeg ? kJpegQuality : kWebpQuality;
  return (jpeg ? encode_jpeg : encode_webp)(*this, quality, notes_of(text));
}

void Image::write(const std::filesystem::path& path, const std::map<std::string, std::string>& text,
                  const ImageOptions& options) const {
  const std::vector<std::uint8_t> bytes = encode(image_format(path), text, options);
  write_file(path, std::as_bytes(std::span(bytes)));
}

void Image::write_png(const std::filesystem::path& path, const std::map<std::string, std::string>& text) const {
  const std::vector<std::uint8_t> bytes = encode(ImageFormat::png, text);
  write_file(path, std::as_bytes(std::span(bytes)));
}

}  // namespace scalekv
