// Bits of HTML pages that need no other file.
#pragma once

#include <string>
#include <string_view>

#include "scalekv/image.h"

namespace scalekv::study {

// Text as it may stand between tags and in attributes.
std::string html_escape(std::string_view text);

// The bytes of a PNG file as a data: address.
std::string png_address(std::string_view png);
// The picture as a PNG in a data: address, at most `side` pixels wide and high.
std::string picture_address(const Image& image, std::int64_t side);

}  // namespace scalekv::study
