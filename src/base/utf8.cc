#include "base/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace scalekv {
namespace {

// Unicode's property White_Space, in UTF-8.
constexpr std::array<std::string_view, 25> kWhiteSpace = {
    "\t",           "\n",           "\v",           "\f",           "\r",           " ",
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82",
    "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88",
    "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
    "\xE3\x80\x80"};

}  // namespace

std::optional<Character> first_character(std::string_view text) {
  utf8proc_int32_t code = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (bytes <= 0) return std::nullopt;
  return Character{static_cast<std::uint32_t>(code), static_cast<std::size_t>(bytes)};
}

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const std::optional<Character> first = first_character(rest);
    if (!first) return text.size() - rest.size();
    rest.remove_prefix(first->bytes);
  }
  return std::string_view::npos;
}

std::size_t character_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

std::string_view strip_left(std::string_view text) {
  while (true) {
    const auto space =
        std::find_if(kWhiteSpace.begin(), kWhiteSpace.end(), [&](auto s) { return text.starts_with(s); });
    if (space == kWhiteSpace.end()) return text;
    text.remove_prefix(space->size());
  }
}

std::string_view strip_right(std::string_view text) {
  while (true) {
    const auto space = std::find_if(kWhiteSpace.begin(), kWhiteSpace.end(), [&](auto s) { return text.ends_with(s); });
    if (space == kWhiteSpace.end()) return text;
    text.remove_suffix(space->size());
  }
}

}  // namespace scalekv
