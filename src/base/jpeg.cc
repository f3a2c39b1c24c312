#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

// libjpeg's headers want <cstdio> first.
#include <jpeglib.h>

#include "base/error.h"
#include "base/exif.h"
#include "base/image.h"

namespace scalekv {
namespace {

constexpr std::size_t kMaxMarker = 65533;  // bytes that one can hold

// libjpeg is C and leaves by longjmp: the function that calls setjmp holds nothing that wants destroying.
struct JpegWriter {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = {};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  JpegWriter() {
    jpeg.err = jpeg_std_error(&errors);
    jpeg.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      auto* writer = static_cast<JpegWriter*>(common->client_data);
      common->err->format_message(common, writer->message);
      std::longjmp(writer->escape, 1);  // NOLINT: the library's way
    };
    errors.output_message = [](j_common_ptr /*common*/) {};
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  bool write(const Image& image, int quality, const std::string& exif, const std::string& comment) {
    if (setjmp(escape) != 0) return false;  // NOLINT
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = static_cast<JDIMENSION>(image.width);
    jpeg.image_height = static_cast<JDIMENSION>(image.height);
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    write_marker(JPEG_APP0 + 1, exif);
    write_marker(JPEG_COM, comment);
    while (jpeg.next_scanline < jpeg.image_height) {
      // libjpeg only reads the row.
      JSAMPROW row = const_cast<JSAMPROW>(image.rgb.data()) + std::size_t{jpeg.next_scanline} * jpeg.image_width * 3;
      jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    return true;
  }

 private:
  void write_marker(int marker, const std::string& data) {
    if (data.empty()) return;
    jpeg_write_marker(&jpeg, marker, reinterpret_cast<const JOCTET*>(data.data()),
                      static_cast<unsigned>(std::min(data.size(), kMaxMarker)));
  }
};

}  // namespace

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality, const ImageNotes& notes) {
  SCALEKV_ASSERT(image.width > 0 && image.height > 0);
  SCALEKV_ASSERT(static_cast<std::int64_t>(image.rgb.size()) == image.width * image.height * 3);
  const std::string exif =
      notes.parameters.empty() ? std::string() : std::string(kExifPrefix) + make_exif(notes.parameters);
  JpegWriter writer;
  if (!writer.write(image, quality, exif, notes.comment)) {
    fail("a picture of {}x{} pixels cannot be encoded: {}", image.width, image.height, writer.message);
  }
  return {writer.bytes, writer.bytes + writer.size};
}

}  // namespace scalekv
