// Keys and values of a selection's tokens, read one by one.
#pragma once

#include "cache/selector.h"

namespace scalekv::cache {

// By cache index: first the history's tokens, then the map's.
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
