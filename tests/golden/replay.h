// A selector that keeps what a fixture recorded, whatever the engine would choose, and writes down both.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/selector.h"
#include "golden/fixture.h"

namespace scalekv::golden {

// What was seen in one selection.
struct Selection {
  cache::SelectionFacts facts;
  std::vector<std::int64_t> window;  // cache indices
  std::vector<float> scores;         // summed importance, -inf in the window
  std::vector<float> pooled;         // masked again after pooling
  std::vector<std::int32_t> chosen;  // by the engine's selector
  std::vector<float> queries;        // [map tokens, D]
  std::vector<float> keys, values;   // [cache tokens, D]
};

// The score at which a selection of `count` tokens by `pooled` ends, and how clear-cut it is.
struct Threshold {
  float value = 0.0F;      // the count-th largest
  std::int64_t above = 0;  // scores strictly greater
  std::int64_t equal = 0;  // scores equal to it
  float gap = 0.0F;        // distance to the nearest other score
};
Threshold find_threshold(const std::vector<float>& pooled, std::int64_t count);

// Scores as the reference computes them, term by term.
std::vector<float> reference_scores(const cache::SelectionFacts& facts, const cache::SelectionInput& input,
                                    const std::vector<std::int64_t>& window);

// Works on one thread, where the engine asks for layers, sequences and heads in order.
class ReplaySelector final : public cache::Selector {
 public:
  // keeps[(scale, layer)][sequence * heads + head]: cache indices to keep.
  using Keeps = std::map<std::pair<int, int>, std::vector<std::vector<std::int32_t>>>;
  using Selections = std::map<std::pair<int, int>, std::vector<Selection>>;

  // keeps must hold every selection of the run, in the engine's own sizes. recorded: the (scale, layer) whose queries,
  // keys and values are to be written down as well.
  ReplaySelector(std::shared_ptr<const cache::Selector> own, const cache::WindowOptions& options, Keeps keeps,
                 std::vector<std::pair<int, int>> recorded);

  cache::QueryForm query_form() const override { return own_->query_form(); }
  // All of them.
  std::vector<std::int64_t> observed_queries(const cache::SelectionFacts& facts) const override;
  void select(const cache::SelectionFacts& facts, const cache::SelectionInput& input,
              std::span<std::int32_t> kept) const override;

  const Selections& selections() const { return selections_; }

 private:
  // The layer whose turn it is at a scale, and which of its (sequence, head) pairs.
  std::pair<int, std::size_t> next(int scale) const;

  std::shared_ptr<const cache::Selector> own_;
  cache::WindowOptions options_;
  Keeps keeps_;
  std::vector<std::pair<int, int>> recorded_;
  mutable Selections selections_;
};

}  // namespace scalekv::golden
