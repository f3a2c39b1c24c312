// Characters in UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace scalekv {

struct Character {
  std::uint32_t code;
  std::size_t bytes;
};

// The character that `text` begins with; none where its bytes are not UTF-8 (no overlong forms, no surrogates).
std::optional<Character> first_character(std::string_view text);

// The byte at which `text` stops being UTF-8, or npos.
std::size_t find_invalid_utf8(std::string_view text);

// The bytes of the character that begins with `lead`, in valid UTF-8.
std::size_t character_length(char lead);

// Valid UTF-8 without the white space at its end: the characters with Unicode's property White_Space.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

// Text compared without regard to case: endings of files, names of columns, units.

// A to Z in small letters; all other characters stay, whatever the locale.
inline std::string ascii_lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace scalekv
