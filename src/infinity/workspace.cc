#include "infinity/workspace.h"

#include <algorithm>
#include <array>

namespace scalekv::infinity {
namespace {

constexpr std::int64_t kGroupTokens = 2048;  // sequences are grouped up to this many tokens
constexpr std::int64_t kChunkRows = 1024;    // rows of the feed-forward's hidden layer in memory at a time

std::int64_t largest_group_tokens(const std::vector<MapSize>& scales, const std::vector<std::int64_t>& group) {
  std::int64_t tokens = 0;
  for (std::size_t s = 0; s < scales.size(); ++s) tokens = std::max(tokens, scales[s].tokens() * group[s]);
  return tokens;
}

// Of the tensors, in the order of Workspace's members.
std::array<Shape, 6> shapes_of(const model::InfinityConfig& config, std::int64_t sequences, std::int64_t tokens) {
  const std::int64_t c = config.width;
  return {{{sequences, 6, c},
           {tokens, c},
           {tokens, 3 * c},
           {tokens, c},
           {tokens, c},
           {Workspace::hidden_rows(tokens), config.feed_forward}}};
}

}  // namespace

std::vector<std::int64_t> sequence_groups(const std::vector<MapSize>& scales, std::int64_t sequences) {
  std::vector<std::int64_t> group;
  for (const MapSize& map : scales)
    group.push_back(std::clamp<std::int64_t>(kGroupTokens / map.tokens(), 1, sequences));
  return group;
}

std::int64_t Workspace::hidden_rows(std::int64_t rows) { return std::min(rows, kChunkRows); }

Workspace::Workspace(const model::InfinityConfig& config, const std::vector<MapSize>& scales, std::int64_t sequences)
    : group(sequence_groups(scales, sequences)) {
  const auto shapes = shapes_of(config, sequences, largest_group_tokens(scales, group));
  Tensor* const tensors[] = {&modulation, &normed, &query_key_value, &attended, &projected, &hidden};
  for (std::size_t i = 0; i < shapes.size(); ++i) *tensors[i] = Tensor(DType::f32, shapes[i], MemoryKind::activations);
}

std::int64_t Workspace::predict_bytes(const model::InfinityConfig& config, const std::vector<MapSize>& scales,
                                      std::int64_t sequences) {
  const std::int64_t tokens = largest_group_tokens(scales, sequence_groups(scales, sequences));
  std::int64_t floats = 0;
  for (const Shape& shape : shapes_of(config, sequences, tokens)) floats += shape.elements();
  return floats * std::int64_t{sizeof(float)};
}

}  // namespace scalekv::infinity
