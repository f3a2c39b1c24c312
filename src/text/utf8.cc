#include "text/utf8.h"

#include <algorithm>
#include <array>

namespace scalekv::text {
namespace {

// What may stand after a lead byte: how many bytes in all, and the range of the second one. The others are 80..BF.
struct LeadByte {
  unsigned char first, last;
  std::size_t length;
  unsigned char second_first, second_last;
};

// Table 3-7 of the Unicode standard.
constexpr std::array<LeadByte, 9> kLeadBytes = {{{0x00, 0x7F, 1, 0x80, 0xBF},
                                                 {0xC2, 0xDF, 2, 0x80, 0xBF},
                                                 {0xE0, 0xE0, 3, 0xA0, 0xBF},
                                                 {0xE1, 0xEC, 3, 0x80, 0xBF},
                                                 {0xED, 0xED, 3, 0x80, 0x9F},
                                                 {0xEE, 0xEF, 3, 0x80, 0xBF},
                                                 {0xF0, 0xF0, 4, 0x90, 0xBF},
                                                 {0xF1, 0xF3, 4, 0x80, 0xBF},
                                                 {0xF4, 0xF4, 4, 0x80, 0x8F}}};

// Unicode's property White_Space, in UTF-8.
constexpr std::array<std::string_view, 25> kSpaces = {
    "\t",           "\n",           "\v",           "\f",           "\r",           " ",
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82",
    "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88",
    "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
    "\xE3\x80\x80"};

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = std::find_if(kLeadBytes.begin(), kLeadBytes.end(), [&](const LeadByte& candidate) {
      return candidate.first <= byte(i) && byte(i) <= candidate.last;
    });
    if (lead == kLeadBytes.end() || lead->length > text.size() - i) return i;
    for (std::size_t k = 1; k < lead->length; ++k) {
      const unsigned char first = k == 1 ? lead->second_first : 0x80;
      const unsigned char last = k == 1 ? lead->second_last : 0xBF;
      if (byte(i + k) < first || byte(i + k) > last) return i;
    }
    i += lead->length;
  }
  return std::string_view::npos;
}

std::size_t character_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

std::string_view strip_left(std::string_view text) {
  while (true) {
    const auto space = std::find_if(kSpaces.begin(), kSpaces.end(), [&](auto s) { return text.starts_with(s); });
    if (space == kSpaces.end()) return text;
    text.remove_prefix(space->size());
  }
}

std::string_view strip_right(std::string_view text) {
  while (true) {
    const auto space = std::find_if(kSpaces.begin(), kSpaces.end(), [&](auto s) { return text.ends_with(s); });
    if (space == kSpaces.end()) return text;
    text.remove_suffix(space->size());
  }
}

}  // namespace scalekv::text
