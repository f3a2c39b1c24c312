// Activations of a generation, allocated once for its largest scale and used again by every layer.
#pragma once

#include <vector>

#include "cache/geometry.h"
#include "model/infinity_config.h"
#include "runtime/tensor.h"

namespace scalekv::infinity {

// How many of R sequences are worked on together at each scale: all of them while maps are small, so that a weight is
// read once for the batch; one by one when maps are large, so that memory does not grow with the batch.
std::vector<std::int64_t> sequence_groups(const std::vector<MapSize>& scales, std::int64_t sequences);

struct Workspace {
  // For R = sequences and the groups of sequence_groups().
  Workspace(const model::InfinityConfig& config, const std::vector<MapSize>& scales, std::int64_t sequences);

  // Bytes that the constructor allocates.
  static std::int64_t predict_bytes(const model::InfinityConfig& config, const std::vector<MapSize>& scales,
                                    std::int64_t sequences);

  // Rows of the feed-forward's hidden layer that are in memory at a time, where a group has `rows`.
  static std::int64_t hidden_rows(std::int64_t rows);

  std::vector<std::int64_t> group;  // sequences a group, per scale
  Tensor modulation;                // [R, 6, C]: this block's, every sequence
  Tensor normed;                    // [G, C], G = tokens of the largest group
  Tensor query_key_value;           // [G, 3 C]
  Tensor attended;                  // [G, C]
  Tensor projected;                 // [G, C]
  Tensor hidden;                    // [rows of a feed-forward chunk, F]
};

}  // namespace scalekv::infinity
