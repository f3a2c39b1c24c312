// Scale schedules: the sizes of the token maps that make a picture of a given aspect ratio and size.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/map_size.h"

namespace scalekv::infinity {

struct Schedule {
  double aspect = 1.0;  // height / width: the ratio of the table that is nearest to the request
  std::string size;     // "0.06M", "0.25M", "0.60M" or "1M"
  std::vector<MapSize> scales;
  MapSize reference;  // last map of this aspect's 1M schedule: what positions are measured against
};

// The four presets, smallest first.
const std::vector<std::string>& size_presets();
// The fifteen aspect ratios (height / width), in the reference's order.
const std::vector<double>& aspect_ratios();

// The schedule of the ratio nearest to `height_over_width` (the first of equals, in the reference's order).
// Throws UsageError on an unknown size or a ratio that is not positive and finite.
Schedule make_schedule(double height_over_width, std::string_view size);

// Throws UsageError where the ratio is beyond those of the table by more than rounding: nobody who asks for 5:1 wants
// the 3:1 that is nearest.
void check_aspect(double height_over_width);

// "16:9" (width : height, as screens are named), "1.333" (height / width) or "square" -> height / width.
// Throws UsageError with the accepted forms, and as check_aspect does.
double parse_aspect(const std::string& text);

}  // namespace scalekv::infinity
