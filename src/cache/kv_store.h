// The key/value store of one generation: per layer, sequence and head a run of tokens of its own length, packed without
// padding, compacted in place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/keep_plan.h"
#include "cache/selector.h"
#include "kernels/stored_rows.h"
#include "runtime/grow_buffer.h"

namespace scalekv::cache {

// Protocol, per scale and layer: begin_scale once; then per sequence `write_map`, attention over `history` and
// `current`, and `keep` (or `keep_all`).
//
// A map that its layer keeps whole is written where it stays, so nothing is copied when a scale is appended; otherwise
// it goes to a scratch buffer that all layers share, and keep() moves what was selected. Kept rows only move forward
// within their buffer; the peak is the one that predict_kv_bytes gives. One thread calls; heads are shared among
// all.
class KvStore {
 public:
  // sequences: images x guidance halves. group: how many of them have their current map in memory, per scale.
  KvStore(const KeepPlan& plan, std::int64_t sequences, std::vector<std::int64_t> group,
          kernels::KvPrecision precision = kernels::KvPrecision::f32);

  const KeepPlan& plan() const { return plan_; }

  void begin_scale(int scale);

  // Writes the current map of `layer` for sequence `sequence`, the slot-th of its group. keys, values: [L, H, D].
  void write_map(int layer, std::int64_t sequence, std::int64_t slot, View<const float> keys, View<const float> values);
  kernels::KeyValueSegment history(int layer, std::int64_t sequence, int head) const;
  kernels::KeyValueSegment current(int layer, std::int64_t sequence, std::int64_t slot, int head) const;
  // Where the tokens of a head's history lie in the pyramid; empty while nothing has been dropped (0, 1, 2, ...).
  std::span<const std::int32_t> origins(int layer, std::int64_t sequence, int head) const;
  // What selections so far have summed up for the history tokens of a head (Selector::accumulates); may be shorter than
  // the history: the rest is zero.
  std::vector<float>& received(int layer, std::int64_t sequence, int head);

  // The history token of a head that stands for others; index -1: none.
  FoldedToken& folded(int layer, std::int64_t sequence, int head);
  // Overwrites the token at a cache index (history first, then the current map) before keep().
  void write_token(int layer, std::int64_t sequence, std::int64_t slot, int head, std::int32_t index,
                   std::span<const float> key, std::span<const float> value);

  // The map stays where it is. Only where the plan keeps all.
  void keep_all(int layer, std::int64_t sequence);
  // Keeps the cache indices kept[head] (ascending; history first, then the current map) and drops the rest.
  void keep(int layer, std::int64_t sequence, std::int64_t slot, std::span<const std::vector<std::int32_t>> kept);

 private:
  struct HeadRun {
    std::int64_t offset = 0;    // in tokens
    std::int64_t length = 0;    // tokens held
    std::int64_t reserved = 0;  // tokens there is room for
    std::vector<std::int32_t> origins;
    std::vector<float> received;
    FoldedToken folded;
  };
  // One layer of one sequence: the runs of its heads one after another.
  struct Store {
    GrowBuffer keys{MemoryKind::kv};
    GrowBuffer values{MemoryKind::kv};
    std::vector<HeadRun> heads;
  };

  Store& store(int layer, std::int64_t sequence);
  const Store& store(int layer, std::int64_t sequence) const;
  std::int64_t row_bytes() const { return plan_.geometry().head_size * kernels::kv_element_bytes(precision_); }
  std::int64_t grid_bytes() const { return kernels::kv_grid_bytes(precision_, plan_.geometry().head_size); }
  kernels::KeyValueRows run_rows(int layer, std::int64_t sequence, int head) const;
  kernels::KeyValueRows scratch_rows(std::int64_t slot, int head) const;
  // Notes where the tokens at the kept cache indices came from.
  void keep_origins(HeadRun& run, std::span<const std::int32_t> indices) const;
  // Gives head h room for reserved[h] tokens; runs keep their contents.
  void lay_out(Store& store, std::span<const std::int64_t> reserved) const;

  KeepPlan plan_;
  std::int64_t sequences_;
  std::vector<std::int64_t> group_;
  kernels::KvPrecision precision_;
  std::vector<Store> stores_;
  GrowBuffer grids_{MemoryKind::kv};  // of every run: [layer][sequence][head]
  GrowBuffer scratch_{MemoryKind::kv};
  int scale_ = 0;
};

}  // namespace scalekv::cache
