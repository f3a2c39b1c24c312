#include "study/html.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/image.h"
#include "study/resize.h"

namespace scalekv::study {
namespace {

// RFC 4648.
std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t digit = 0; digit < 4; ++digit)
      text.push_back(digit <= count ? kDigits[group >> (18 - 6 * digit) & 63U] : '=');
  }
  return text;
}

}  // namespace

std::string html_escape(std::string_view text) {
  static const std::map<char, std::string_view> kEntities = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
  std::string escaped;
  for (const char& c : text) {
    const auto entity = kEntities.find(c);
    escaped += entity == kEntities.end() ? std::string_view(&c, 1) : entity->second;
  }
  return escaped;
}

std::string png_address(std::string_view png) { return "data:image/png;base64," + base64(png); }

std::string picture_address(const Image& image, std::int64_t side) {
  const auto address = [](const std::vector<std::uint8_t>& png) {
    return png_address({reinterpret_cast<const char*>(png.data()), png.size()});
  };
  const std::int64_t longer = std::max(image.width, image.height);
  if (longer <= side) return address(encode_png(image));
  const auto shrunk = [&](std::int64_t size) { return std::max<std::int64_t>(1, size * side / longer); };
  return address(encode_png(resize_photograph(image, shrunk(image.height), shrunk(image.width))));
}

}  // namespace scalekv::study
