#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "core/error.h"
#include "core/file.h"
#include "core/image.h"

namespace scalekv {
namespace {

// libpng is C and leaves by longjmp: functions that call setjmp hold nothing that wants destroying; what they fill lies
// with their caller.
struct PngFault {
  std::string message;
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  static_cast<PngFault*>(png_get_error_ptr(png))->message = message;
  png_longjmp(png, 1);
}
void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}

void append_bytes(png_structp png, png_bytep data, png_size_t size) {
  auto* bytes = static_cast<std::vector<std::uint8_t>*>(png_get_io_ptr(png));
  bytes->insert(bytes->end(), data, data + size);
}
void flush_nothing(png_structp /*png*/) {}

struct Reader {
  const std::string* bytes;
  std::size_t position = 0;
};

void take_bytes(png_structp png, png_bytep out, png_size_t size) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (size > reader->bytes->size() - reader->position) png_error(png, "the file ends too early");
  std::memcpy(out, reader->bytes->data() + reader->position, size);
  reader->position += size;
}

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

bool read_texts(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;  // NOLINT: the library's way
  png_read_info(png, info);
  // Text may follow the pixels, and those cannot be skipped.
  if (std::uint64_t{png_get_image_width(png, info)} * png_get_image_height(png, info) >
      std::uint64_t{kMaxImagePixels}) {
    png_error(png, "it has too many pixels");
  }
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  for (int pass = 0; pass < passes; ++pass) {
    for (png_uint_32 y = 0; y < png_get_image_height(png, info); ++y) png_read_row(png, nullptr, nullptr);
  }
  png_read_end(png, info);
  return true;
}

}  // namespace

std::vector<std::uint8_t> encode_png(const Image& image, const std::map<std::string, std::string>& text) {
  SCALEKV_ASSERT(image.width > 0 && image.height > 0);
  SCALEKV_ASSERT(static_cast<std::int64_t>(image.rgb.size()) == image.width * image.height * 3);
  const std::vector<png_text> entries = make_entries(text);
  std::vector<std::uint8_t> bytes;
  PngFault fault;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &fault, on_error, on_warning);
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

std::map<std::string, std::string> read_png_text(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  PngFault fault;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &fault, on_error, on_warning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    fail("{} cannot be read: out of memory", path.string());
  }
  Reader reader{&bytes};
  png_set_read_fn(png, &reader, take_bytes);
  const bool read = read_texts(png, info);
  std::map<std::string, std::string> text;
  if (read) {
    png_textp entries = nullptr;
    const int count = png_get_text(png, info, &entries, nullptr);
    for (int i = 0; i < count; ++i) text[entries[i].key] = entries[i].text == nullptr ? "" : entries[i].text;
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (!read) fail("{} is not a PNG file that can be read: {}", path.string(), fault.message);
  return text;
}

}  // namespace scalekv
