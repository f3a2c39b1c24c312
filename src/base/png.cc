#include <png.h>

#include <algorithm>
#include <csetjmp>

#include "base/error.h"
#include "base/image.h"
#include "base/png_fault.h"

namespace scalekv {
namespace {

void append_bytes(png_structp png, png_bytep data, png_size_t size) {
  auto* bytes = static_cast<std::vector<std::uint8_t>*>(png_get_io_ptr(png));
  bytes->insert(bytes->end(), data, data + size);
}
void flush_nothing(png_structp /*png*/) {}

// tEXt where the value is plain ASCII, iTXt (UTF-8) elsewhere.
std::vector<png_text> make_entries(const std::map<std::string, std::string>& text) {
  std::vector<png_text> entries;
  for (const auto& [key, value] : text) {
    SCALEKV_ASSERT(!key.empty() && key.size() <= PNG_KEYWORD_MAX_LENGTH);
    const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return (c & 0x80) == 0; });
    png_text entry{};
    entry.compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    entry.key = const_cast<char*>(key.c_str());     // NOLINT: libpng only reads it
    entry.text = const_cast<char*>(value.c_str());  // NOLINT
    if (ascii) {
      entry.text_length = value.size();
    } else {
      entry.itxt_length = value.size();
    }
    entries.push_back(entry);
  }
  return entries;
}

bool write_all(png_structp png, png_infop info, const Image& image, const std::vector<png_text>& entries) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;  // NOLINT: the library's way
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!entries.empty()) png_set_text(png, info, entries.data(), static_cast<int>(entries.size()));
  png_write_info(png, info);
  for (std::int64_t y = 0; y < image.height; ++y) png_write_row(png, image.rgb.data() + y * image.width * 3);
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

std::vector<std::uint8_t> encode_png(const Image& image, const std::map<std::string, std::string>& text) {
  SCALEKV_ASSERT(image.width > 0 && image.height > 0);
  SCALEKV_ASSERT(static_cast<std::int64_t>(image.rgb.size()) == image.width * image.height * 3);
  const std::vector<png_text> entries = make_entries(text);
  std::vector<std::uint8_t> bytes;
  PngFault fault;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &fault, PngFault::on_error, PngFault::on_warning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) {
    png_destroy_write_struct(&png, nullptr);
    fail("a picture of {}x{} pixels cannot be encoded: out of memory", image.width, image.height);
  }
  png_set_write_fn(png, &bytes, append_bytes, flush_nothing);
  const bool written = write_all(png, info, image, entries);
  png_destroy_write_struct(&png, &info);
  if (!written) fail("a picture of {}x{} pixels cannot be encoded: {}", image.width, image.height, fault.message);
  return bytes;
}

}  // namespace scalekv
