// The queries that a selector looks at, taken from the qkv product before attention overwrites or leaves it.
#pragma once

#include <vector>

#include "cache/keep_plan.h"
#include "cache/selector.h"
#include "runtime/tensor.h"

namespace scalekv::cache {

SelectionFacts selection_facts(const KeepPlan& plan, int scale, int layer, int head);

class ObservedQueries {
 public:
  // For `slots` sequences of one layer at one scale. Holds nothing where the plan keeps all (or nothing) or the
  // selector looks at no queries.
  ObservedQueries(const Selector* selector, const KeepPlan& plan, int scale, int layer, std::int64_t slots);

  // Copies the observed rows out of query_key_value [slots L, 3 C] if this is the form that the selector wants:
  // `projected` before, `attention` after the queries are normalised and rotated in place.
  void gather(QueryForm form, View<const float> query_key_value);

  // Rows that are kept aside for each sequence.
  std::int64_t rows_per_slot() const { return rows_per_slot_; }
  // [observed, head size]
  View<const float> queries(std::int64_t slot, int head) const;

 private:
  const Selector* selector_;
  const KeepPlan& plan_;
  int scale_;
  std::vector<std::vector<std::int64_t>> positions_;  // per head
  std::vector<std::int64_t> first_row_;               // per head: rows of the heads before it
  std::int64_t rows_per_slot_ = 0;
  Tensor rows_;  // [slots, rows of every head, head size]
};

// The ledger's most for the queries of any layer at `scale`, where `slots` sequences go through it together.
std::int64_t predict_observed_bytes(const Selector* selector, const KeepPlan& plan, int scale, std::int64_t slots);

}  // namespace scalekv::cache
