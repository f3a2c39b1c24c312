// The two things that we know of EXIF, which is a TIFF file without pixels: how a picture is turned, and a comment.
#pragma once

#include <string>
#include <string_view>

#include "scalekv/image.h"

namespace scalekv {

// How JPEG introduces its EXIF part; other files may.
inline constexpr std::string_view kExifPrefix{"Exif\0\0", 6};

// The orientation that an EXIF part gives, 1 to 8; 1 where it gives none or cannot be read.
int exif_orientation(std::string_view exif);

// The picture as orientation 1 to 8 wants it shown.
Image turned(Image image, int orientation);

// An EXIF part, without prefix, whose user comment is this text (UTF-8), cut to what a JPEG file can hold.
std::string make_exif(std::string_view comment);

}  // namespace scalekv
