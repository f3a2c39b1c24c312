// The key/value store of one generation: per layer, sequence and head a run of tokens of its own length, packed without
// padding, compacted in place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/keep_plan.h"
#include "core/grow_buffer.h"
#include "kernels/attention.h"
#include "kernels/query_key.h"

namespace scalekv::cache {

// Protocol, per scale and layer: begin_scale once; then per sequence `targets` (where the current map's keys and values
// are to be written), attention over `history` and `current`, and `keep` (or `keep_all`).
//
// A map that its layer keeps whole is written where it stays, so nothing is copied when a scale is appended; otherwise
// it goes to a scratch buffer that all layers share, and keep() moves what was selected. Kept rows only move forward
// within their buffer; the peak is the one that predict_kv_bytes foretells. Sequences may be worked on in parallel as
// long as each has one thread.
class KvStore {
 public:
  // sequences: images x guidance halves. group: how many of them have their current map in memory, per scale.
  KvStore(const KeepPlan& plan, std::int64_t sequences, std::vector<std::int64_t> group);

  const KeepPlan& plan() const { return plan_; }

  void begin_scale(int scale);

  // Where sequence `sequence` (the slot-th of its group) writes the current map of `layer`, one target a head.
  std::vector<kernels::KeyValueTarget> targets(int layer, std::int64_t sequence, std::int64_t slot);
  kernels::KeyValueSegment history(int layer, std::int64_t sequence, int head) const;
  kernels::KeyValueSegment current(int layer, std::int64_t sequence, std::int64_t slot, int head) const;
  // Where the tokens of a head's history lie in the pyramid; empty while nothing has been dropped (0, 1, 2, ...).
  std::span<const std::int32_t> origins(int layer, std::int64_t sequence, int head) const;
  // What selections so far have summed up for the history tokens of a head (Selector::accumulates); may be shorter than
  // the history: the rest is zero.
  std::vector<float>& received(int layer, std::int64_t sequence, int head);

  // The map stays where it is. Only where the plan keeps all.
  void keep_all(int layer, std::int64_t sequence);
  // Keeps the cache indices kept[head] (ascending; history first, then the current map) and lets go of the rest.
  void keep(int layer, std::int64_t sequence, std::int64_t slot, std::span<const std::vector<std::int32_t>> kept);

 private:
  struct HeadRun {
    std::int64_t offset = 0;    // in tokens
    std::int64_t length = 0;    // tokens held
    std::int64_t reserved = 0;  // tokens there is room for
    std::vector<std::int32_t> origins;
    std::vector<float> received;
  };
  // One layer of one sequence: the runs of its heads one after another.
  struct Store {
    GrowBuffer keys{MemoryKind::kv};
    GrowBuffer values{MemoryKind::kv};
    std::vector<HeadRun> heads;
  };

  Store& store(int layer, std::int64_t sequence);
  const Store& store(int layer, std::int64_t sequence) const;
  float* scratch_keys(std::int64_t slot, int head) const;
  float* scratch_values(std::int64_t slot, int head) const;
  // Notes where the tokens at the kept cache indices came from.
  void keep_origins(HeadRun& run, std::span<const std::int32_t> indices) const;
  // Gives head h room for reserved[h] tokens; runs keep their contents.
  void lay_out(Store& store, std::span<const std::int64_t> reserved);

  KeepPlan plan_;
  std::int64_t sequences_;
  std::vector<std::int64_t> group_;
  std::vector<Store> stores_;
  GrowBuffer scratch_{MemoryKind::kv};
  int scale_ = 0;
};

}  // namespace scalekv::cache
