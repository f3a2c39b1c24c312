// What attention looks like in a model: means over full-cache runs, per scale, layer and head. Calibrated budgets are
// made from these. Sums only: the memory does not grow with the number of prompts.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "cache/geometry.h"
#include "kernels/attention.h"

namespace scalekv::cache {

// One scale, layer and head. With a_ij the softmax weight that query i of the current map gives token j, and E_i the
// mean over its queries (and over guidance halves and prompts):
struct HeadStatistics {
  double current_share = 0.0;    // E_i sum of a_ij over the current map
  double concentration = 0.0;    // E_i sum of the K' largest a_ij of the history (concentration_tokens)
  double dispersion = 0.0;       // sum_j Var_i a_ij / sum_j (E_i a_ij)^2: 0 where every query sees the same tokens
  std::vector<double> received;  // per source scale before this one: E_i sum of a_ij over its tokens
  std::vector<double> lost;  // per entry of kept_grid: weight that goes when that many history tokens stay, the best
  // Per region (cache/regions.h) of every source scale before this one: what removing one token j of it does to the
  // head's output, sum_i |a_ij / (1 - a_ij) (o_i - v_j)|^2 with o_i the output and v_j the value; the mean over its
  // tokens.
  std::vector<double> removal;
};

// Regions of the sources before `scale`: entries of HeadStatistics::removal.
std::size_t removal_regions(const CacheGeometry& geometry, int scale);
// K' of the Attention Selectivity Index: a tenth of the history, at least one token.
std::int64_t concentration_tokens(std::int64_t history);
// Numbers of kept tokens at which `lost` is known, ascending from 0 to `history`: all small ones, then in steps of
// about a quarter.
std::vector<std::int64_t> kept_grid(std::int64_t history);

class AttentionStatistics {
 public:
  explicit AttentionStatistics(const CacheGeometry& geometry);

  const CacheGeometry& geometry() const { return geometry_; }
  // Adds the attention of whole sequences of one layer at one scale, as the block computes it: heads of sequence 0,
  // heads of sequence 1, ...; the first segment is the whole history, the second the current map.
  void add(int scale, int layer, std::span<const kernels::AttentionHead> work);
  // The means so far. Zeros where nothing was added.
  HeadStatistics at(int scale, int layer, int head) const;
  // Sums as they are, for files: see HeadStatistics; `sequences` is what to divide by.
  std::int64_t sequences(int scale, int layer) const;
  void set(int scale, int layer, int head, const HeadStatistics& means, std::int64_t sequences);

 private:
  std::size_t index(int scale, int layer, int head) const;

  CacheGeometry geometry_;
  std::vector<HeadStatistics> sums_;     // [scale][layer][head]
  std::vector<std::int64_t> sequences_;  // [scale][layer]
};

// What removing one token does to a head's outputs (HeadStatistics::removal), by region of the history that scale index
// `first` finds, summed over the scales still to come: what is dropped is gone for good. A picture of `scales` scales
// may have fewer than were measured. head: layer * heads + head.
std::vector<double> harm_of_removal(const AttentionStatistics& statistics, int head, int first, int scales);

// Attention Selectivity Index (ScaleKV, arXiv 2505.19602, equations 2 and 3): current_share x concentration, averaged
// over heads. High: a refiner, that looks at its own map and at few history tokens. Low: a drafter. [scale][layer]
std::vector<std::vector<double>> attention_selectivity(const AttentionStatistics& statistics);

// The `count` layers of lowest index at every scale that has a history, by its number (from 1), ascending.
std::map<int, std::vector<int>> find_drafters(const AttentionStatistics& statistics, int count);

}  // namespace scalekv::cache
