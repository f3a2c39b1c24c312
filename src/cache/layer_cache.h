// The cache of one generation as a transformer sees it: a layer appends its map, attends, and keeps what the plan
// allows. Which tokens stay, where they came from and what stands for the others is known here alone.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "cache/kv_store.h"
#include "cache/observed_queries.h"
#include "cache/selector.h"

namespace scalekv::cache {

// Called for every selection: which cache indices (history first, then the current map) a head keeps.
using SelectionObserver =
    std::function<void(int scale, int layer, std::int64_t sequence, int head, std::span<const std::int32_t> kept)>;

// Called for the self-attention of a layer at a scale, with the heads of one sequence after the other: queries, history
// and current map as attention sees them.
using AttentionObserver = std::function<void(int scale, int layer, std::span<const kernels::AttentionHead> work)>;

struct CacheObservers {
  SelectionObserver selections;
  AttentionObserver attention;
};

class KvCache {
 public:
  // sequences, group: as of KvStore. selector: may be null where the plan keeps all.
  KvCache(const KeepPlan& plan, std::shared_ptr<const Selector> selector, std::int64_t sequences,
          std::vector<std::int64_t> group, kernels::KvPrecision precision = kernels::KvPrecision::f32,
          CacheObservers observers = {});

  void begin_scale(int scale);
  const KvStore& store() const { return store_; }

 private:
  friend class LayerCache;

  KvStore store_;
  std::shared_ptr<const Selector> selector_;
  CacheObservers observers_;
  int scale_ = 0;
};

// One layer at one scale, for a group of G sequences of L = map tokens each: append(), then attend(), then keep().
class LayerCache {
 public:
  // The group begins with sequence `first`. projected: its queries, keys and values [G L, 3 C], before they are
  // normalised and rotated in place: there are selectors that look at such queries. Borrowed.
  LayerCache(KvCache& cache, int layer, std::int64_t first, View<const float> projected);

  // The rows are now as attention takes them: stores their keys and values.
  void append();
  // out: [G L, C]. Every query attends to its head's history and to the whole map.
  void attend(View<float> out) const;
  void keep();

 private:
  std::int64_t slots() const { return rows_.size(0) / tokens_; }
  // Cache indices that a head keeps, with what earlier selections left behind.
  std::vector<std::int32_t> choose(std::int64_t slot, int head) const;
  void select(const SelectionFacts& facts, std::int64_t slot, std::span<std::int32_t> kept) const;
  // Writes the token that stands for what is dropped into its place, where the selector asks for one.
  void fold(const SelectionFacts& facts, const SelectionInput& input, std::int64_t slot,
            std::span<const std::int32_t> kept) const;

  KvCache& cache_;
  KvStore& store_;
  int scale_, layer_;
  std::int64_t first_;   // sequence
  std::int64_t tokens_;  // of one sequence: L
  View<const float> rows_;
  ObservedQueries observed_;
};

}  // namespace scalekv::cache
