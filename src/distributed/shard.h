// A part of the work: number `index` of `count`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace scalekv::distributed {

struct Shard {
  std::size_t index = 0;
  std::size_t count = 1;

  // Pictures are dealt out in turn: shard i draws i, i + count, i + 2 count ...
  bool holds(std::size_t picture) const { return picture % count == index; }
  std::string describe() const;
};

// "0/4" is the first of four. Throws UsageError.
Shard parse_shard(std::string_view text);

}  // namespace scalekv::distributed
