// Characters in UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace scalekv {

// The byte at which `text` stops being UTF-8 (no overlong forms, no surrogates), or npos.
std::size_t find_invalid_utf8(std::string_view text);

// The bytes of the character that begins with `lead`, in valid UTF-8.
std::size_t character_length(char lead);

// Valid UTF-8 without the white space at its end: the characters with Unicode's property White_Space.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

}  // namespace scalekv
