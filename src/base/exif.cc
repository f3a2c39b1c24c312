#include "base/exif.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace scalekv {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112, kExifTag = 0x8769, kUserCommentTag = 0x9286;
constexpr std::uint32_t kShort = 3, kLong = 4, kUndefined = 7;

// Numbers of a TIFF file, in its byte order; none where the file ends before.
class TiffReader {
 public:
  TiffReader(std::string_view bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<std::uint32_t> number(std::uint64_t at, std::size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t place = static_cast<std::size_t>(at) + (big_endian_ ? i : size - 1 - i);
      value = value << 8 | static_cast<unsigned char>(bytes_[place]);
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool big_endian_;
};

void append_number(std::string& bytes, std::uint32_t value, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift & 0xFFU));
}

// UTF-16, high byte first, of at most so many 16-bit units.
std::string to_utf16(std::string_view text, std::size_t most) {
  std::string units;
  while (!text.empty()) {
    const std::optional<Character> first = first_character(text);
    const std::uint32_t character = first ? first->code : 0xFFFD;  // what stands for bytes that are none
    text.remove_prefix(first ? first->bytes : 1);
    const bool pair = character > 0xFFFF;
    if (units.size() / 2 + (pair ? 2 : 1) > most) break;
    if (pair) append_number(units, 0xD800 + ((character - 0x10000) >> 10), 2);
    append_number(units, pair ? 0xDC00 + (character & 0x3FF) : character, 2);
  }
  return units;
}

}  // namespace

int exif_orientation(std::string_view exif) {
  if (exif.starts_with(kExifPrefix)) exif.remove_prefix(kExifPrefix.size());
  const bool big_endian = exif.starts_with(std::string_view("MM\0*", 4));
  if (!big_endian && !exif.starts_with(std::string_view("II*\0", 4))) return 1;
  const TiffReader tiff(exif, big_endian);
  const std::uint64_t folder = tiff.number(4, 4).value_or(0);
  const std::uint32_t entries = tiff.number(folder, 2).value_or(0);
  for (std::uint32_t i = 0; i < entries; ++i) {
    // An entry: tag, type, count, and a value that is small enough to lie here.
    const std::uint64_t entry = folder + 2 + std::uint64_t{12} * i;
    const auto type = tiff.number(entry + 2, 2);
    if (!type) break;
    if (tiff.number(entry, 2) != kOrientationTag || (*type != kShort && *type != kLong)) continue;
    if (tiff.number(entry + 4, 4) != 1U) continue;
    const std::uint32_t value = tiff.number(entry + 8, *type == kShort ? 2 : 4).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image turned(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool exchange = orientation >= 5;  // rows become columns
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image result{.width = exchange ? image.height : image.width,
               .height = exchange ? image.width : image.height,
               .rgb = std::vector<std::uint8_t>(image.rgb.size())};
  auto* to = result.rgb.data();
  for (std::int64_t y = 0; y < result.height; ++y) {
    for (std::int64_t x = 0; x < result.width; ++x, to += 3) {
      const std::int64_t column = exchange ? y : x, row = exchange ? x : y;
      const std::int64_t from_x = from_right ? image.width - 1 - column : column;
      const std::int64_t from_y = from_bottom ? image.height - 1 - row : row;
      const auto* from = image.rgb.data() + (from_y * image.width + from_x) * 3;
      for (int channel = 0; channel < 3; ++channel) to[channel] = from[channel];
    }
  }
  return result;
}

std::string make_exif(std::string_view comment) {
  constexpr std::size_t kMostUnits = 32700;  // JPEG's part has at most 65,533 bytes
  constexpr std::uint32_t kFolderBytes = 2 + 12 + 4, kFirst = 8, kSecond = kFirst + kFolderBytes;
  // What programs take for UTF-16 whose high byte is first, as numbers here are.
  const std::string text = std::string("UNICODE\0", 8) + to_utf16(comment, kMostUnits);
  std::string exif("MM\0*", 4);
  append_number(exif, kFirst, 4);
  const auto append_folder = [&](std::uint32_t tag, std::uint32_t type, std::uint32_t count, std::uint32_t value) {
    append_number(exif, 1, 2);  // one entry
    append_number(exif, tag, 2);
    append_number(exif, type, 2);
    append_number(exif, count, 4);
    append_number(exif, value, 4);
    append_number(exif, 0, 4);  // no folder after it
  };
  append_folder(kExifTag, kLong, 1, kSecond);
  append_folder(kUserCommentTag, kUndefined, static_cast<std::uint32_t>(text.size()), kSecond + kFolderBytes);
  return exif + text;
}

}  // namespace scalekv
