#include "shapes/shape_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>

namespace scalekv::shapes {
namespace {

struct Point {
  double x, y;
};

constexpr double kSquare = 0.88;
constexpr double kHole = 0.52;
constexpr double kArm = 0.34;
constexpr std::array<Point, 3> kTriangle = {{{0.0, -0.95}, {1.0, 0.85}, {-1.0, 0.85}}};

std::array<Point, 10> star_corners() {
  std::array<Point, 10> corners{};
  for (std::size_t k = 0; k < corners.size(); ++k) {
    const double length = k % 2 == 0 ? 1.05 : 0.45;
    const double angle = -std::numbers::pi / 2.0 + static_cast<double>(k) * std::numbers::pi / 5.0;
    corners[k] = {length * std::cos(angle), length * std::sin(angle) + 0.08};
  }
  return corners;
}

// Crossings of a ray to the right with the outline: odd inside.
bool in_polygon(std::span<const Point> corners, Point p) {
  bool inside = false;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Point a = corners[i];
    const Point b = corners[(i + 1) % corners.size()];
    if ((a.y > p.y) != (b.y > p.y) && p.x < a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y)) inside = !inside;
  }
  return inside;
}

bool in_circle(Point p) { return p.x * p.x + p.y * p.y <= 1.0; }
bool in_square(Point p) { return std::abs(p.x) <= kSquare && std::abs(p.y) <= kSquare; }
bool in_triangle(Point p) { return in_polygon(kTriangle, p); }
bool in_star(Point p) {
  static const std::array<Point, 10> kCorners = star_corners();
  return in_polygon(kCorners, p);
}
bool in_ring(Point p) {
  const double square = p.x * p.x + p.y * p.y;
  return square <= 1.0 && square >= kHole * kHole;
}
bool in_cross(Point p) {
  const double x = std::abs(p.x);
  const double y = std::abs(p.y);
  return (x <= kArm && y <= 1.0) || (y <= kArm && x <= 1.0);
}

// A shape in a square from -1 to 1, y down, as tools/shapes/world.py draws it.
struct IdealShape {
  const char* name;
  bool (*contains)(Point);
  double area = 0.0;
  Point centre{0.0, 0.0};  // of gravity
};

std::vector<IdealShape> measure_shapes() {
  std::vector<IdealShape> shapes = {{"circle", in_circle}, {"square", in_square}, {"triangle", in_triangle},
                                    {"star", in_star},     {"ring", in_ring},     {"cross", in_cross}};
  constexpr int kSteps = 440;
  constexpr double kReach = 1.1;
  constexpr double kStep = 2.0 * kReach / kSteps;
  for (IdealShape& shape : shapes) {
    double count = 0.0;
    for (int i = 0; i < kSteps; ++i) {
      for (int j = 0; j < kSteps; ++j) {
        const Point p{-kReach + (j + 0.5) * kStep, -kReach + (i + 0.5) * kStep};
        if (!shape.contains(p)) continue;
        count += 1.0;
        shape.centre.x += p.x;
        shape.centre.y += p.y;
      }
    }
    shape.area = count * kStep * kStep;
    shape.centre = {shape.centre.x / count, shape.centre.y / count};
  }
  return shapes;
}

const std::vector<IdealShape>& ideal_shapes() {
  static const std::vector<IdealShape> kShapes = measure_shapes();
  return kShapes;
}

// Intersection over union of the pixels with the shape at a place.
double overlap(const PixelSet& pixels, const IdealShape& shape, Point centre, double radius) {
  const auto first = [&](double middle) {
    return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(middle - 1.15 * radius)));
  };
  const auto last = [&](double middle, std::int64_t size) {
    return std::min(size - 1, static_cast<std::int64_t>(std::ceil(middle + 1.15 * radius)));
  };
  std::int64_t both = 0;
  std::int64_t shape_count = 0;
  for (std::int64_t y = first(centre.y); y <= last(centre.y, pixels.height); ++y) {
    for (std::int64_t x = first(centre.x); x <= last(centre.x, pixels.width); ++x) {
      const Point p{(static_cast<double>(x) + 0.5 - centre.x) / radius,
                    (static_cast<double>(y) + 0.5 - centre.y) / radius};
      if (!shape.contains(p)) continue;
      ++shape_count;
      both += pixels.mask[static_cast<std::size_t>(y * pixels.width + x)];
    }
  }
  return static_cast<double>(both) / static_cast<double>(pixels.count + shape_count - both);
}

}  // namespace

const std::vector<std::string>& shape_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const IdealShape& shape : ideal_shapes()) names.emplace_back(shape.name);
    return names;
  }();
  return kNames;
}

ShapeFit fit_shape(const PixelSet& pixels) {
  ShapeFit best;
  const std::vector<IdealShape>& shapes = ideal_shapes();
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const IdealShape& shape = shapes[i];
    // Area gives the size, the centre of gravity the place; small changes allow for ragged outlines.
    const double radius = std::sqrt(static_cast<double>(pixels.count) / shape.area);
    for (const double grow : {0.95, 1.0, 1.05}) {
      const double r = radius * grow;
      for (const double dx : {-0.05, 0.0, 0.05}) {
        for (const double dy : {-0.05, 0.0, 0.05}) {
          const Point centre{pixels.mean_x - (shape.centre.x + dx) * r, pixels.mean_y - (shape.centre.y + dy) * r};
          const double found = overlap(pixels, shape, centre, r);
          if (found > best.overlap) best = {static_cast<int>(i), centre.x, centre.y, r, found};
        }
      }
    }
  }
  return best;
}

}  // namespace scalekv::shapes
