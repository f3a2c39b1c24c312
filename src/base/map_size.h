// The size of a token map: one scale of the pyramid.
#pragma once

#include <cstdint>

namespace scalekv {

struct MapSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  std::int64_t tokens() const { return height * width; }
  bool operator==(const MapSize&) const = default;
};

}  // namespace scalekv
