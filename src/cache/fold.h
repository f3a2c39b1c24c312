// Folding: the tokens that a policy drops from a head become one token, instead of being forgotten. Its key and value
// are the means of theirs, and log(their number) is added to its attention scores, so that the softmax counts it as
// that many tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/selector.h"

namespace scalekv::cache {

// The means of the tokens that are folded, and the log of how many they are.
struct Fold {
  std::vector<float> key, value;  // [head size]
  float log_count = 0.0F;
};

// Folds every cache token that is not in `kept` (ascending), and the kept one at cache index `slot`, whose place the
// result takes. A token that was folded earlier counts as many times as it stands for tokens.
Fold fold_dropped(const SelectionInput& input, std::span<const std::int32_t> kept, std::int32_t slot);

// Keys and values of a selection's tokens, read one by one by cache index: first the history's tokens, then the map's.
class CacheRows {
 public:
  explicit CacheRows(const SelectionInput& input)
      : history_(input.history.count), old_(input.history, input.head_size), new_(input.map, input.head_size) {}

  // row: [head size]
  void key(std::int64_t index, float* row) const {
    if (index < history_) {
      old_.keys(index, 1, row);
    } else {
      new_.keys(index - history_, 1, row);
    }
  }
  void value(std::int64_t index, float* row) const {
    if (index < history_) {
      old_.values(index, 1, row);
    } else {
      new_.values(index - history_, 1, row);
    }
  }

 private:
  std::int64_t history_;
  kernels::KeyValueReader old_, new_;
};

}  // namespace scalekv::cache
