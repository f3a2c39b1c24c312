// Finds the objects of the shapes world (tools/README.md) in a picture: flat, coloured circles, squares, triangles,
// stars, rings and crosses on a background of one or two colours. Made for pictures that came out of a VAE: edges may
// be soft and colours a little off.
#pragma once

#include <string>
#include <vector>

#include "scalekv/image.h"

namespace scalekv::shapes {

struct FoundObject {
  std::string shape;  // empty where it looks like none of the six
  std::string colour;
  double x = 0.0;  // centre, in pixels
  double y = 0.0;
  double radius = 0.0;  // half the side of the square it fills
  double fit = 0.0;     // overlap with the ideal shape: intersection over union
};

struct FoundScene {
  std::vector<FoundObject> objects;
  // Background colours: the one that fills most of the left, right, top and bottom half.
  std::string left, right, top, bottom;

  // "a red circle at 24,30; on gray"
  std::string describe() const;
};

// Colours an object may have.
const std::vector<std::string>& object_colours();

FoundScene find_objects(const Image& image);

}  // namespace scalekv::shapes
