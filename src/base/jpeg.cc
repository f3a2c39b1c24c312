#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// libjpeg's headers want <cstdio> first.
#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "base/exif.h"
#include "base/image.h"

namespace scalekv {
namespace {

// What libjpeg says is wrong. It is C and leaves by longjmp: the functions that call setjmp hold nothing that wants
// destroying.
struct JpegFault {
  jpeg_error_mgr errors{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = {};

  // jpeg: one of libjpeg's two structs, whose errors are told here.
  template <typename Jpeg>
  void watch(Jpeg& jpeg) {
    jpeg.err = jpeg_std_error(&errors);
    jpeg.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      auto* fault = static_cast<JpegFault*>(common->client_data);
      common->err->format_message(common, fault->message);
      std::longjmp(fault->escape, 1);  // NOLINT: the library's way
    };
    errors.output_message = [](j_common_ptr /*common*/) {};
  }
};

constexpr std::size_t kMaxMarker = 65533;  // bytes that one can hold

struct JpegWriter : JpegFault {
  jpeg_compress_struct jpeg{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  JpegWriter() { watch(jpeg); }
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

constexpr int kMostScans = 500;  // more only cost time: a file of a megabyte could ask for hours

// libjpeg only warns of a damaged stream. These warnings are of form: the pixels are as they were meant.
bool harmless(int warning) {
  return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_ADOBE_XFORM || warning == JWRN_JFIF_MAJOR ||
         warning == JWRN_TOO_MUCH_DATA || warning == JWRN_BOGUS_PROGRESSION;
}

struct JpegReader : JpegFault {
  jpeg_decompress_struct jpeg{};
  jpeg_progress_mgr progress{};

  JpegReader() {
    watch(jpeg);
    errors.emit_message = [](j_common_ptr common, int level) {
      if (level < 0 && !harmless(common->err->msg_code)) common->err->error_exit(common);
    };
    progress.progress_monitor = [](j_common_ptr common) {
      auto* reader = static_cast<JpegReader*>(static_cast<JpegFault*>(common->client_data));
      if (reader->jpeg.input_scan_number <= kMostScans) return;
      std::snprintf(reader->message, sizeof reader->message, "it has more than %d scans", kMostScans);
      std::longjmp(reader->escape, 1);  // NOLINT
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header(std::string_view bytes) {
    if (setjmp(escape) != 0) return false;  // NOLINT
    jpeg_create_decompress(&jpeg);
    jpeg.progress = &progress;
    jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = jpeg.num_components == 4 ? JCS_CMYK : JCS_RGB;
    return true;
  }

  // `rows` has room for all rows, of 3 or 4 values a pixel.
  bool read_rows(std::uint8_t* rows) {
    if (setjmp(escape) != 0) return false;  // NOLINT
    jpeg_start_decompress(&jpeg);
    const auto row_bytes = std::size_t{jpeg.output_width} * static_cast<unsigned>(jpeg.output_components);
    while (jpeg.output_scanline < jpeg.output_height) {
      JSAMPROW row = rows + jpeg.output_scanline * row_bytes;
      jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    return true;
  }

  // The first EXIF part.
  std::string_view exif() const {
    for (const jpeg_marker_struct* marker = jpeg.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view part(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (part.starts_with(kExifPrefix)) return part;
    }
    return {};
  }
};

// CMYK as it is stored in JPEG files, 255 being no ink, becomes RGB at the front of the same bytes.
void to_rgb(std::vector<std::uint8_t>& pixels) {
  const auto share = [](unsigned value, unsigned of) {
    const unsigned product = value * of + 128;  // divided by 255 and rounded
    return static_cast<std::uint8_t>((product + (product >> 8)) >> 8);
  };
  const std::size_t count = pixels.size() / 4;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned light = pixels[4 * i + 3];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const unsigned ink = 255U - pixels[4 * i + channel];
      pixels[3 * i + channel] = static_cast<std::uint8_t>(light - share(ink, light));
    }
  }
  pixels.resize(count * 3);
}

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

DecodedImage decode_jpeg(std::string_view bytes, const std::string& name) {
  JpegReader reader;
  const auto unreadable = [&] {
    fail("{} is a JPEG file that is damaged or of a rare kind: {}; save it as PNG", name, reader.message);
  };
  if (!reader.read_header(bytes)) unreadable();
  check_image_size(reader.jpeg.image_width, reader.jpeg.image_height, name);
  const int components = reader.jpeg.num_components;
  if (components != 1 && components != 3 && components != 4) {
    fail("{} has {} colour components; JPEG files of 1, 3 or 4 are read: save it as RGB", name, components);
  }
  DecodedImage decoded{{reader.jpeg.image_width, reader.jpeg.image_height, {}}, exif_orientation(reader.exif())};
  Image& image = decoded.image;
  image.rgb.resize(static_cast<std::size_t>(image.width * image.height * (components == 4 ? 4 : 3)));
  if (!reader.read_rows(image.rgb.data())) unreadable();
  if (components == 4) to_rgb(image.rgb);
  return decoded;
}

}  // namespace scalekv
