// What a cache has to hold: the model's layers and heads, and the token maps of one generation.
#pragma once

#include <cstdint>
#include <vector>

#include "base/map_size.h"

namespace scalekv::cache {

struct CacheGeometry {
  int layers = 0;
  int heads = 0;
  std::int64_t head_size = 0;
  std::vector<MapSize> scales;

  bool operator==(const CacheGeometry&) const = default;
  int scale_count() const { return static_cast<int>(scales.size()); }
  std::int64_t map_tokens(int scale) const { return scales[static_cast<std::size_t>(scale)].tokens(); }
  // Tokens of all scales before `scale` (scale_count() gives all of them).
  std::int64_t tokens_before(int scale) const {
    std::int64_t sum = 0;
    for (int s = 0; s < scale; ++s) sum += map_tokens(s);
    return sum;
  }
  // Tokens that a full cache holds in a layer: everything but the last scale, which nobody reads again.
  std::int64_t history() const { return scales.empty() ? 0 : tokens_before(scale_count() - 1); }
};

}  // namespace scalekv::cache
