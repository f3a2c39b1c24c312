#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>

#include "base/error.h"
#include "base/exif.h"
#include "base/image.h"

namespace scalekv {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
struct DeleteMux {
  void operator()(WebPMux* mux) const { WebPMuxDelete(mux); }
};
struct FreeWebP {
  void operator()(std::uint8_t* bytes) const { WebPFree(bytes); }
};

WebPData view_of(std::string_view bytes) { return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}; }

int orientation_of(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk{};
  int orientation = 1;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) != 0) {
    orientation = exif_orientation({reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size});
  }
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

// The first frame, alpha left out, onto a picture that is black around it. False where its data are damaged.
bool decode_first_frame(const WebPDemuxer* demuxer, Image& image) {
  WebPIterator frame{};
  bool decoded = false;
  if (WebPDemuxGetFrame(demuxer, 1, &frame) != 0 && frame.complete != 0 && frame.x_offset >= 0 && frame.y_offset >= 0 &&
      frame.width <= image.width - frame.x_offset && frame.height <= image.height - frame.y_offset) {
    const auto begin = static_cast<std::size_t>((frame.y_offset * image.width + frame.x_offset) * 3);
    decoded = WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, image.rgb.data() + begin,
                                image.rgb.size() - begin, static_cast<int>(image.width * 3)) != nullptr;
  }
  WebPDemuxReleaseIterator(&frame);
  return decoded;
}

std::vector<std::uint8_t> with_exif(const WebPData& webp, const std::string& exif) {
  const std::unique_ptr<WebPMux, DeleteMux> mux(WebPMuxCreate(&webp, 0));
  const WebPData part = view_of(exif);
  WebPData whole{};
  const bool made = mux && WebPMuxSetChunk(mux.get(), "EXIF", &part, 0) == WEBP_MUX_OK &&
                    WebPMuxAssemble(mux.get(), &whole) == WEBP_MUX_OK;
  const std::unique_ptr<std::uint8_t, FreeWebP> owner(const_cast<std::uint8_t*>(whole.bytes));  // NOLINT: ours to free
  if (!made) fail("a WebP picture cannot be given its text: out of memory");
  return {whole.bytes, whole.bytes + whole.size};
}

}  // namespace

DecodedImage decode_webp(std::string_view bytes, const std::string& name) {
  const WebPData data = view_of(bytes);
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemux(&data));
  if (!demuxer)
    fail("{} is a damaged WebP file: it is cut short, or its parts do not fit together; get or save it again", name);
  DecodedImage decoded{
      {WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH), WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT), {}},
      orientation_of(demuxer.get())};
  check_image_size(decoded.image.width, decoded.image.height, name);
  decoded.image.rgb.resize(static_cast<std::size_t>(decoded.image.width * decoded.image.height * 3));
  if (!decode_first_frame(demuxer.get(), decoded.image)) {
    fail("{} is a damaged WebP file: its pixels cannot be read; get or save it again", name);
  }
  return decoded;
}

std::vector<std::uint8_t> encode_webp(const Image& image, int quality, const ImageNotes& notes) {
  SCALEKV_ASSERT(image.width > 0 && image.height > 0);
  SCALEKV_ASSERT(static_cast<std::int64_t>(image.rgb.size()) == image.width * image.height * 3);
  if (image.width > WEBP_MAX_DIMENSION || image.height > WEBP_MAX_DIMENSION) {
    fail("a picture of {}x{} pixels cannot be a WebP file, which has at most {} a side; write a PNG", image.width,
         image.height, WEBP_MAX_DIMENSION);
  }
  std::uint8_t* bytes = nullptr;
  const std::size_t size =
      WebPEncodeRGB(image.rgb.data(), static_cast<int>(image.width), static_cast<int>(image.height),
                    static_cast<int>(image.width * 3), static_cast<float>(quality), &bytes);
  const std::unique_ptr<std::uint8_t, FreeWebP> owner(bytes);
  if (size == 0) fail("a picture of {}x{} pixels cannot be encoded: out of memory", image.width, image.height);
  if (!notes.parameters.empty()) return with_exif({bytes, size}, make_exif(notes.parameters));
  return {bytes, bytes + size};
}

}  // namespace scalekv
