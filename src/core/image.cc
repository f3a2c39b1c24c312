#include "core/image.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <span>
#include <string_view>

// libjpeg's headers want <cstdio> first.
#include <jpeglib.h>

#include <jerror.h>

#include "core/error.h"
#include "core/file.h"

namespace scalekv {
namespace {

constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{512} << 20;

bool is_png(std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); }
bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xff\xd8\xff"); }

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

// Makes room for the pixels. Throws Error where there are too many.
void set_size(Image& image, std::int64_t width, std::int64_t height, const std::string& path) {
  if (width < 1 || height < 1 || width > kMaxImagePixels / height) {
    fail("{} has {}x{} pixels; at most {} million are read", path, width, height, kMaxImagePixels >> 20);
  }
  image.width = width;
  image.height = height;
  image.rgb.resize(static_cast<std::size_t>(width * height * 3));
}

Image decode_png(const std::string& bytes, const std::string& path) {
  if (!ends_whole(bytes)) fail("{} is a damaged PNG file: its end is missing", path);
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&header, bytes.data(), bytes.size()) == 0) {
    fail("{} is a damaged PNG file: {}", path, header.message);
  }
  Image image;
  try {
    set_size(image, header.width, header.height, path);
  } catch (...) {
    png_image_free(&header);
    throw;
  }
  header.format = PNG_FORMAT_RGB;
  header.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  const png_color white{255, 255, 255};
  if (png_image_finish_read(&header, &white, image.rgb.data(), 0, nullptr) == 0) {
    const std::string message = header.message;
    png_image_free(&header);
    fail("{} is a damaged PNG file: {}", path, message);
  }
  return image;
}

// libjpeg is C and leaves by longjmp: the functions that call setjmp hold nothing that wants destroying.
struct JpegReader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = {};

  JpegReader() {
    jpeg.err = jpeg_std_error(&errors);
    jpeg.client_data = this;
    // libjpeg only warns of a damaged stream; bytes to spare between its parts are common and do no harm.
    errors.error_exit = [](j_common_ptr common) {
      auto* reader = static_cast<JpegReader*>(common->client_data);
      common->err->format_message(common, reader->message);
      std::longjmp(reader->escape, 1);  // NOLINT: the library's way
    };
    errors.emit_message = [](j_common_ptr common, int level) {
      if (level < 0 && common->err->msg_code != JWRN_EXTRANEOUS_DATA) common->err->error_exit(common);
    };
    errors.output_message = [](j_common_ptr /*common*/) {};
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header(const std::string& bytes) {
    if (setjmp(escape) != 0) return false;  // NOLINT
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    return true;
  }

  bool read_rows(std::uint8_t* rgb) {
    if (setjmp(escape) != 0) return false;  // NOLINT
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
      JSAMPROW row = rgb + std::size_t{jpeg.output_scanline} * jpeg.output_width * 3;
      jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    return true;
  }
};

Image decode_jpeg(const std::string& bytes, const std::string& path) {
  JpegReader reader;
  Image image;
  if (!reader.read_header(bytes)) fail("{} is a damaged JPEG file: {}", path, reader.message);
  set_size(image, reader.jpeg.image_width, reader.jpeg.image_height, path);
  if (!reader.read_rows(image.rgb.data())) fail("{} is a damaged JPEG file: {}", path, reader.message);
  return image;
}

}  // namespace

Image Image::read(const std::filesystem::path& path) {
  std::error_code failed;
  const std::uintmax_t size = std::filesystem::file_size(path, failed);
  if (!failed && size > kMaxFileBytes) {
    fail("{} has {} MB; pictures of at most {} MB are read", path.string(), size >> 20, kMaxFileBytes >> 20);
  }
  const std::string bytes = read_file(path);
  if (is_png(bytes)) return decode_png(bytes, path.string());
  if (is_jpeg(bytes)) return decode_jpeg(bytes, path.string());
  fail("{} is neither a PNG nor a JPEG file", path.string());
}

void Image::write_png(const std::filesystem::path& path, const std::map<std::string, std::string>& text) const {
  const std::vector<std::uint8_t> bytes = encode_png(*this, text);
  write_file(path, std::as_bytes(std::span(bytes)));
}

}  // namespace scalekv
