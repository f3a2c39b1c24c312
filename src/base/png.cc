#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/exif.h"
#include "base/file.h"
#include "base/image.h"

namespace scalekv {
namespace {

// How libpng says what is wrong. It is C and leaves by longjmp: functions that call setjmp hold nothing that wants
// destroying; what they fill lies with their caller.
struct PngFault {
  std::string message;

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    static_cast<PngFault*>(png_get_error_ptr(png))->message = message;
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}
};

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

// Whether the last chunk, IEND, is there whole: libpng is content as soon as it has the pixels. A chunk is the length
// of its data in 4 bytes, its name in 4, the data, and a check sum in 4.
bool ends_whole(std::string_view png) {
  constexpr std::size_t kSignature = 8, kAround = 12;
  for (std::size_t begin = kSignature; png.size() - begin >= kAround;) {
    std::size_t length = 0;
    for (const char byte : png.substr(begin, 4)) length = length << 8 | static_cast<unsigned char>(byte);
    if (length > png.size() - begin - kAround) return false;
    if (png.substr(begin + 4, 4) == "IEND") return true;
    begin += kAround + length;
  }
  return false;
}

class PngReader {
 public:
  explicit PngReader(std::string_view bytes, const std::string& name) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &fault_, PngFault::on_error, PngFault::on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail("{} cannot be read: out of memory", name);
    }
    png_set_read_fn(png_, this, take_bytes);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller checks sizes
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  const std::string& fault() const { return fault_.message; }
  std::int64_t width() const { return png_get_image_width(png_, info_); }
  std::int64_t height() const { return png_get_image_height(png_, info_); }
  bool palette() const { return png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE; }
  int depth() const { return png_get_bit_depth(png_, info_); }
  std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  int channels() const { return png_get_channels(png_, info_); }

  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT: the library's way
    png_read_info(png_, info_);
    return true;
  }

  // What read_rows will give, in place of what is stored: no alpha; a byte for each value, but two where gray has two.
  // Stored gammas and profiles change nothing.
  bool choose_rows() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT
    if (png_get_color_type(png_, info_) != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png_);
    png_set_packing(png_);
    png_set_strip_alpha(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  // Reads the whole file; `rows` has room for all rows, or is null.
  bool read_rows(std::uint8_t* rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT
    const png_uint_32 height = png_get_image_height(png_, info_);
    for (int pass = 0; pass < passes_; ++pass) {
      for (png_uint_32 y = 0; y < height; ++y) {
        png_read_row(png_, rows == nullptr ? nullptr : rows + y * png_get_rowbytes(png_, info_), nullptr);
      }
    }
    png_read_end(png_, info_);
    return true;
  }

  // Colours that the palette does not have are black.
  std::array<png_color, 256> colours() const {
    std::array<png_color, 256> colours{};
    png_colorp stored = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &stored, &count);
    std::copy_n(stored, std::min(count, 256), colours.begin());
    return colours;
  }

  std::string_view exif() const {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(png_, info_, &size, &exif) == 0) return {};
    return {reinterpret_cast<const char*>(exif), size};
  }

  std::map<std::string, std::string> text() const {
    std::map<std::string, std::string> text;
    png_textp entries = nullptr;
    const int count = png_get_text(png_, info_, &entries, nullptr);
    for (int i = 0; i < count; ++i) text[entries[i].key] = entries[i].text == nullptr ? "" : entries[i].text;
    return text;
  }

 private:
  static void take_bytes(png_structp png, png_bytep out, png_size_t size) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > reader->bytes_.size()) png_error(png, "the file ends too early");
    std::memcpy(out, reader->bytes_.data(), size);
    reader->bytes_.remove_prefix(size);
  }

  std::string_view bytes_;  // what is left of them
  PngFault fault_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
};

// `rows` of one channel become RGB: palette, gray of 1 to 8 bits, gray of 16 bits (of which 255 and more are white).
std::vector<std::uint8_t> colour(const std::vector<std::uint8_t>& rows, const PngReader& reader, int stored_depth) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(static_cast<std::size_t>(reader.width() * reader.height() * 3));
  if (reader.palette()) {
    const std::array<png_color, 256> colours = reader.colours();
    for (const std::uint8_t index : rows) {
      rgb.insert(rgb.end(), {colours[index].red, colours[index].green, colours[index].blue});
    }
  } else if (reader.depth() == 16) {
    for (std::size_t i = 0; i < rows.size(); i += 2) rgb.insert(rgb.end(), 3, rows[i] == 0 ? rows[i + 1] : 255);
  } else {
    const int step = 255 / ((1 << std::min(stored_depth, 8)) - 1);
    for (const std::uint8_t value : rows) rgb.insert(rgb.end(), 3, static_cast<std::uint8_t>(value * step));
  }
  return rgb;
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

DecodedImage decode_png(std::string_view bytes, const std::string& name) {
  const auto damaged = [&](const std::string& why) {
    fail("{} is a damaged PNG file: {}; get or save it again", name, why);
  };
  if (!ends_whole(bytes)) damaged("its end is missing");
  PngReader reader(bytes, name);
  if (!reader.read_header()) damaged(reader.fault());
  check_image_size(reader.width(), reader.height(), name);
  const int stored_depth = reader.depth();
  if (!reader.choose_rows()) damaged(reader.fault());
  std::vector<std::uint8_t> rows(reader.row_bytes() * static_cast<std::size_t>(reader.height()));
  if (!reader.read_rows(rows.data())) damaged(reader.fault());
  DecodedImage decoded{{reader.width(), reader.height(), {}}, exif_orientation(reader.exif())};
  decoded.image.rgb = reader.channels() == 3 ? std::move(rows) : colour(rows, reader, stored_depth);
  return decoded;
}

std::map<std::string, std::string> read_png_text(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  PngReader reader(bytes, path.string());
  const auto unreadable = [&] { fail("{} is not a PNG file that can be read: {}", path.string(), reader.fault()); };
  if (!reader.read_header()) unreadable();
  check_image_size(reader.width(), reader.height(), path.string());
  if (!reader.choose_rows() || !reader.read_rows(nullptr)) unreadable();  // text may follow the pixels
  return reader.text();
}

}  // namespace scalekv
