// Pictures side by side.
#pragma once

#include <vector>

#include "scalekv/image.h"

namespace scalekv::dataset {

// One picture as it is; four of one size as a grid, 0 and 1 above 2 and 3, edge to edge.
Image as_grid(std::vector<Image> images);

}  // namespace scalekv::dataset
