// Between the reference's maps [B, C, H, W] (or [B, C, 1, H, W]) and the engine's [H, W, C], one an image.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "golden/fixture.h"
#include "golden/report.h"
#include "runtime/tensor.h"

namespace scalekv::golden {

// [B, C, (1,) H, W] -> B maps [H, W, C].
std::vector<Tensor> channels_last(const Numbers& numbers);

// Bits [B, (1,) h, w, d] of 0 / 1 -> B maps [h, w, d] u8.
std::vector<Tensor> split_bits(const Integers& bits);

// The step with which places of a map were kept (every s-th row and column, from the first), such that
// ceil(height / s) and ceil(width / s) are what is stored; the smallest of many. 0 where there is none.
std::int64_t stride_between(std::int64_t height, std::int64_t width, std::int64_t stored_height,
                            std::int64_t stored_width);

// Gathers the engine's maps of a batch in a fixture's layout and compares when all are there.
class MapCollector {
 public:
  MapCollector(const Fixture& fixture, Report& report) : fixture_(fixture), report_(report) {}

  // map: [H, W, C] of image number `image`. Ignored where the fixture has no tensor `name`. Fixtures may hold every
  // s-th row and column only.
  void add(const std::string& name, std::int64_t image, View<const float> map);
  // Compares what was gathered.
  void finish();

 private:
  const Fixture& fixture_;
  Report& report_;
  std::map<std::string, std::vector<float>> gathered_;
};

// Bits of the engine, B maps [h, w, d] u8, against a fixture's [B, (1,) h, w, d].
std::vector<std::int64_t> join_bits(const std::vector<const Tensor*>& maps);

// Pixels in -1..1, B maps [H, W, 3], as 8-bit values in the layout of a fixture's [B, h, w, 3] (every s-th pixel).
Pixels to_pixels(const std::vector<Tensor>& maps, const Shape& stored, bool blue_first);

}  // namespace scalekv::golden
