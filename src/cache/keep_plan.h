// The keep plan: how many tokens every layer and head holds after every scale. It follows from the budget alone, before
// anything runs, so that memory can be predicted to the byte.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/budget.h"
#include "cache/geometry.h"
#include "kernels/kv_precision.h"

namespace scalekv::cache {

class KeepPlan {
 public:
  // The rule of the reference (ScaleKV, monkeypatch `update_kv`): while the cache is within the budget's base and never
  // exceeded it, keep all; else keep all if within the row's capacity; else exactly the capacity.
  // After the last scale nothing is kept, unless `keep_last` asks for the reference's own behaviour (it compresses a
  // cache that nobody reads): for checking.
  KeepPlan(const CacheGeometry& geometry, const Budget& budget, bool keep_last = false);

  const CacheGeometry& geometry() const { return geometry_; }
  // Tokens of history that `scale` finds.
  std::int64_t before(int scale, int layer, int head) const;
  // Tokens that stay when `scale` is done.
  std::int64_t after(int scale, int layer, int head) const;
  // Does every head of the layer keep all of its history and the map of `scale`? (The map can then be written where it
  // stays.)
  bool keeps_all(int scale, int layer) const;
  // Does any layer have to select after `scale`, or leave its map behind?
  bool any_scratch(int scale) const;
  // Tokens that head needs room for while its layer keeps appending: its length after the last of the scales from
  // `scale` on that keep all.
  std::int64_t reserve(int scale, int layer, int head) const;

 private:
  std::size_t index(int scale, int layer, int head) const;

  CacheGeometry geometry_;
  std::vector<std::int64_t> after_;  // [scale][layer][head]
};

// Bytes of keys and values.
struct KvBytes {
  std::int64_t peak = 0;   // largest sum at any moment, the current map included
  std::int64_t final = 0;  // what the last scale finds
};

// What a cache of this plan takes for so many sequences (images x guidance halves), of which group[scale] at a time
// have their current map in memory (infinity/workspace.h).
KvBytes predict_kv_bytes(const KeepPlan& plan, std::int64_t sequences, const std::vector<std::int64_t>& group,
                         kernels::KvPrecision precision);

// The paper's figure for a cache (its table 1), in MiB: the history that the last scale finds, keys of 4 bytes and
// values of 2, as the published code keeps them, of 16 sequences (8 images, guided).
double paper_kv_mebibytes(const KeepPlan& plan);

}  // namespace scalekv::cache
