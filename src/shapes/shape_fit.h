// How well a set of pixels fits the ideal shapes of the shapes world.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scalekv::shapes {

// Pixels of one object: (x, y) pairs, and a mask over the picture.
struct PixelSet {
  std::int64_t width = 0;  // of the picture
  std::int64_t height = 0;
  std::vector<std::uint8_t> mask;  // [height, width] of 0 / 1
  std::int64_t count = 0;
  double mean_x = 0.0;
  double mean_y = 0.0;
};

struct ShapeFit {
  int shape = 0;  // index in shape_names()
  double x = 0.0, y = 0.0, radius = 0.0;
  double overlap = 0.0;  // intersection over union
};

// The names, in the order of ShapeFit::shape.
const std::vector<std::string>& shape_names();

// The shape, place and size that overlap most.
ShapeFit fit_shape(const PixelSet& pixels);

}  // namespace scalekv::shapes
