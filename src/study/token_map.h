// Which tokens a cache kept, drawn over the picture.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/geometry.h"
#include "infinity/block.h"
#include "scalekv/image.h"

namespace scalekv::study {

// Watches the selections of one sequence and knows where in the pyramid the tokens lie that every head holds.
class TokenWatch {
 public:
  explicit TokenWatch(const cache::CacheGeometry& geometry);

  // To be called for every selection (cache::SelectionObserver); only sequence 0 counts: the image with its prompt.
  void see(int scale, int layer, std::int64_t sequence, int head, std::span<const std::int32_t> kept);
  // What the last scale finds of a head: positions in the pyramid, ascending.
  std::vector<std::int32_t> history(int layer, int head) const;

 private:
  struct Head {
    int scale = -1;                       // of the last selection
    std::vector<std::int32_t> positions;  // held after it
  };
  // All that `head` would find at `scale`.
  std::vector<std::int32_t> held(const Head& head, int scale) const;

  cache::CacheGeometry geometry_;
  std::vector<Head> heads_;  // [layer * heads + head]
};

// A sheet of cells, one a head, rows of layers: the picture in grey, brighter and warmer where the tokens lie that the
// head holds for the last scale (a token of a coarse map covers a large square).
Image token_sheet(const Image& picture, const TokenWatch& watch, const cache::CacheGeometry& geometry);

}  // namespace scalekv::study
