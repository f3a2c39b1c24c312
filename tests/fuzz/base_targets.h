// What the fuzzer of picture files and the test that replays its corpus do with one input.
#pragma once

#include <string_view>

#include "base/image.h"

namespace scalekv::base {

// A picture file of any format, turned as its EXIF part says.
inline void read_as_picture(std::string_view bytes) {
  static_cast<void>(Image::decode(bytes, "input", Orientation::upright));
}

}  // namespace scalekv::base
