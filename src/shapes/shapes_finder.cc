#include "shapes/shapes_finder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "shapes/shape_fit.h"

namespace scalekv::shapes {
namespace {

struct Colour {
  const char* name;
  std::array<double, 3> rgb;
};

// As tools/shapes/world.py has them. Backgrounds and objects share no colour.
constexpr int kObjectColours = 8;
constexpr int kColours = 12;
constexpr std::array<Colour, kColours> kPalette = {{{"red", {220, 30, 40}},
                                                    {"green", {30, 160, 60}},
                                                    {"blue", {35, 70, 220}},
                                                    {"yellow", {245, 220, 40}},
                                                    {"orange", {245, 130, 20}},
                                                    {"purple", {140, 40, 180}},
                                                    {"white", {250, 250, 250}},
                                                    {"black", {15, 15, 15}},
                                                    {"gray", {140, 140, 140}},
                                                    {"pink", {240, 160, 185}},
                                                    {"brown", {120, 85, 60}},
                                                    {"cyan", {130, 205, 215}}}};

// A pixel is flat where no channel changes by more than this among its neighbours.
constexpr int kFlat = 50;
// Flat regions below this share of the picture are noise; so are objects below the second.
constexpr double kSeedShare = 0.0006;
constexpr double kObjectShare = 0.006;
// Of an object's pixels, at least this share lies two pixels from its edge; less is the soft edge of something else.
constexpr double kInnerShare = 0.10;
// How far a soft edge reaches, in pixels of a 128 pixel picture.
constexpr double kEdge = 4.0;
// Worse fits are no shape at all.
constexpr double kLeastFit = 0.70;

constexpr int kNone = -1;

double squared_distance(const std::array<double, 3>& a, const std::array<double, 3>& b) {
  double sum = 0.0;
  for (std::size_t c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return sum;
}

// Splits a picture into regions of palette colours.
class Segmentation {
 public:
  explicit Segmentation(const Image& image)
      : image_(image),
        width_(image.width),
        height_(image.height),
        labels_(static_cast<std::size_t>(width_ * height_), kNone) {
    label_flat_pixels();
    drop_small_regions(kSeedShare);
    average_colours();
    label_edges();
  }

  // Connected pixels of one colour, large enough to be meant.
  std::vector<std::pair<int, PixelSet>> objects() const {
    std::vector<std::pair<int, PixelSet>> found;
    std::vector<bool> seen(labels_.size(), false);
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      if (seen[i] || labels_[i] < 0 || labels_[i] >= kObjectColours) continue;
      const std::vector<std::size_t> region = flood(i, seen);
      if (static_cast<double>(region.size()) < kObjectShare * static_cast<double>(labels_.size())) continue;
      if (static_cast<double>(count_inner(region)) < kInnerShare * static_cast<double>(region.size())) continue;
      found.emplace_back(labels_[i], make_set(region));
    }
    return found;
  }

  // The background colour with the most pixels in a part of the picture; empty where there is none.
  std::string background(std::int64_t x0, std::int64_t x1, std::int64_t y0, std::int64_t y1) const {
    std::array<std::int64_t, kColours> counts{};
    for (std::int64_t y = y0; y < y1; ++y) {
      for (std::int64_t x = x0; x < x1; ++x) {
        const int label = labels_[index(y, x)];
        if (label >= kObjectColours) ++counts[static_cast<std::size_t>(label)];
      }
    }
    const auto most = std::max_element(counts.begin() + kObjectColours, counts.end());
    return *most == 0 ? "" : kPalette[static_cast<std::size_t>(most - counts.begin())].name;
  }

 private:
  std::size_t index(std::int64_t y, std::int64_t x) const { return static_cast<std::size_t>(y * width_ + x); }

  std::array<double, 3> pixel(std::size_t i) const {
    return {static_cast<double>(image_.rgb[3 * i]), static_cast<double>(image_.rgb[3 * i + 1]),
            static_cast<double>(image_.rgb[3 * i + 2])};
  }

  bool is_flat(std::int64_t y, std::int64_t x) const {
    for (std::size_t c = 0; c < 3; ++c) {
      int least = 255;
      int most = 0;
      for (std::int64_t v = std::max<std::int64_t>(0, y - 1); v <= std::min(height_ - 1, y + 1); ++v) {
        for (std::int64_t u = std::max<std::int64_t>(0, x - 1); u <= std::min(width_ - 1, x + 1); ++u) {
          const int value = image_.rgb[3 * index(v, u) + c];
          least = std::min(least, value);
          most = std::max(most, value);
        }
      }
      if (most - least > kFlat) return false;
    }
    return true;
  }

  void label_flat_pixels() {
    for (std::int64_t y = 0; y < height_; ++y) {
      for (std::int64_t x = 0; x < width_; ++x) {
        if (!is_flat(y, x)) continue;
        const std::array<double, 3> rgb = pixel(index(y, x));
        int& label = labels_[index(y, x)];
        for (int c = 0; c < kColours; ++c) {
          const auto& best = kPalette[static_cast<std::size_t>(std::max(label, 0))].rgb;
          if (squared_distance(rgb, kPalette[static_cast<std::size_t>(c)].rgb) < squared_distance(rgb, best) ||
              label < 0) {
            label = c;
          }
        }
      }
    }
  }

  // Pixels of the region that `start` is in, marked as seen.
  std::vector<std::size_t> flood(std::size_t start, std::vector<bool>& seen) const {
    std::vector<std::size_t> region = {start};
    seen[start] = true;
    for (std::size_t next = 0; next < region.size(); ++next) {
      const std::size_t i = region[next];
      const std::int64_t x = static_cast<std::int64_t>(i) % width_;
      const std::int64_t y = static_cast<std::int64_t>(i) / width_;
      const auto visit = [&](std::int64_t v, std::int64_t u) {
        if (v < 0 || v >= height_ || u < 0 || u >= width_) return;
        const std::size_t j = index(v, u);
        if (seen[j] || labels_[j] != labels_[i]) return;
        seen[j] = true;
        region.push_back(j);
      };
      visit(y - 1, x);
      visit(y + 1, x);
      visit(y, x - 1);
      visit(y, x + 1);
    }
    return region;
  }

  // Pixels with two more of their colour in each direction.
  std::int64_t count_inner(const std::vector<std::size_t>& region) const {
    return std::count_if(region.begin(), region.end(), [&](std::size_t i) {
      const std::int64_t x = static_cast<std::int64_t>(i) % width_;
      const std::int64_t y = static_cast<std::int64_t>(i) / width_;
      return x >= 2 && x < width_ - 2 && y >= 2 && y < height_ - 2 && labels_[index(y, x - 2)] == labels_[i] &&
             labels_[index(y, x + 2)] == labels_[i] && labels_[index(y - 2, x)] == labels_[i] &&
             labels_[index(y + 2, x)] == labels_[i];
    });
  }

  void drop_small_regions(double share) {
    std::vector<bool> seen(labels_.size(), false);
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      if (seen[i] || labels_[i] == kNone) continue;
      const std::vector<std::size_t> region = flood(i, seen);
      if (static_cast<double>(region.size()) >= share * static_cast<double>(labels_.size())) continue;
      for (const std::size_t j : region) labels_[j] = kNone;
    }
  }

  // What the picture's own version of each colour is.
  void average_colours() {
    std::array<double, kColours> counts{};
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      if (labels_[i] == kNone) continue;
      const auto label = static_cast<std::size_t>(labels_[i]);
      const std::array<double, 3> rgb = pixel(i);
      for (std::size_t c = 0; c < 3; ++c) means_[label][c] += rgb[c];
      counts[label] += 1.0;
    }
    for (std::size_t label = 0; label < kColours; ++label) {
      for (double& channel : means_[label]) channel /= std::max(1.0, counts[label]);
    }
  }

  // The other pixels lie on edges: each belongs to the most similar of the flat regions within reach.
  void label_edges() {
    const auto reach =
        static_cast<std::int64_t>(std::max(kEdge, kEdge * static_cast<double>(std::min(width_, height_)) / 128.0));
    std::vector<int> complete = labels_;
    for (std::int64_t y = 0; y < height_; ++y) {
      for (std::int64_t x = 0; x < width_; ++x) {
        if (labels_[index(y, x)] != kNone) continue;
        std::array<bool, kColours> near{};
        for (std::int64_t v = std::max<std::int64_t>(0, y - reach); v <= std::min(height_ - 1, y + reach); ++v) {
          for (std::int64_t u = std::max<std::int64_t>(0, x - reach); u <= std::min(width_ - 1, x + reach); ++u) {
            const int label = labels_[index(v, u)];
            if (label != kNone) near[static_cast<std::size_t>(label)] = true;
          }
        }
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t label = 0; label < kColours; ++label) {
          const double distance = squared_distance(pixel(index(y, x)), means_[label]);
          if (!near[label] || distance >= least) continue;
          least = distance;
          complete[index(y, x)] = static_cast<int>(label);
        }
      }
    }
    labels_ = std::move(complete);
  }

  PixelSet make_set(const std::vector<std::size_t>& region) const {
    PixelSet set{.width = width_, .height = height_, .mask = std::vector<std::uint8_t>(labels_.size(), 0)};
    set.count = static_cast<std::int64_t>(region.size());
    for (const std::size_t i : region) {
      const std::int64_t x = static_cast<std::int64_t>(i) % width_;
      const std::int64_t y = static_cast<std::int64_t>(i) / width_;
      set.mask[i] = 1;
      set.mean_x += static_cast<double>(x) + 0.5;
      set.mean_y += static_cast<double>(y) + 0.5;
    }
    set.mean_x /= static_cast<double>(region.size());
    set.mean_y /= static_cast<double>(region.size());
    return set;
  }

  const Image& image_;
  std::int64_t width_, height_;
  std::vector<int> labels_;  // per pixel: index in kPalette, or kNone
  std::array<std::array<double, 3>, kColours> means_{};
};

}  // namespace

std::string FoundScene::describe() const {
  std::string text;
  for (const FoundObject& object : objects) {
    text += fmt::format("{}{} {} at {:.0f},{:.0f}", text.empty() ? "" : "; ", object.colour,
                        object.shape.empty() ? "something" : object.shape, object.x, object.y);
  }
  if (text.empty()) text = "nothing";
  if (left != right) return fmt::format("{}; on {} and {}", text, left, right);
  if (top != bottom) return fmt::format("{}; on {} and {}", text, top, bottom);
  return fmt::format("{}; on {}", text, left);
}

const std::vector<std::string>& object_colours() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < kObjectColours; ++i) names.emplace_back(kPalette[i].name);
    return names;
  }();
  return kNames;
}

FoundScene find_objects(const Image& image) {
  if (image.width < 16 || image.height < 16) {
    fail("a picture of {}x{} pixels is too small to find shapes in", image.width, image.height);
  }
  const Segmentation segmentation(image);
  FoundScene scene;
  for (const auto& [colour, pixels] : segmentation.objects()) {
    const ShapeFit fit = fit_shape(pixels);
    const bool clear = fit.overlap >= kLeastFit;
    scene.objects.push_back({.shape = clear ? shape_names()[static_cast<std::size_t>(fit.shape)] : "",
                             .colour = kPalette[static_cast<std::size_t>(colour)].name,
                             .x = fit.x,
                             .y = fit.y,
                             .radius = fit.radius,
                             .fit = fit.overlap});
  }
  const std::int64_t w = image.width;
  const std::int64_t h = image.height;
  scene.left = segmentation.background(0, w / 2, 0, h);
  scene.right = segmentation.background(w / 2, w, 0, h);
  scene.top = segmentation.background(0, w, 0, h / 2);
  scene.bottom = segmentation.background(0, w, h / 2, h);
  return scene;
}

}  // namespace scalekv::shapes
