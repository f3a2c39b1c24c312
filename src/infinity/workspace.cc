#include "infinity/workspace.h"

#include <algorithm>

namespace scalekv::infinity {
namespace {

constexpr std::int64_t kGroupTokens = 2048;  // sequences are grouped up to this many tokens
constexpr std::int64_t kChunkRows = 1024;    // rows of the feed-forward's hidden layer in memory at a time

std::int64_t largest_group_tokens(const std::vector<MapSize>& scales, const std::vector<std::int64_t>& group) {
  std::int64_t tokens = 0;
  for (std::size_t s = 0; s < scales.size(); ++s) tokens = std::max(tokens, scales[s].tokens() * group[s]);
  return tokens;
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
  const std::int64_t tokens = largest_group_tokens(scales, group);
  const std::int64_t c = config.width;
  const auto allocate = [](const Shape& shape) { return Tensor(DType::f32, shape, MemoryKind::activations); };
  modulation = allocate({sequences, 6, c});
  normed = allocate({tokens, c});
  query_key_value = allocate({tokens, 3 * c});
  attended = allocate({tokens, c});
  projected = allocate({tokens, c});
  hidden = allocate({hidden_rows(tokens), config.feed_forward});
}

std::int64_t Workspace::predict_bytes(const model::InfinityConfig& config, const std::vector<MapSize>& scales,
                                      std::int64_t sequences) {
  const std::int64_t tokens = largest_group_tokens(scales, sequence_groups(scales, sequences));
  const std::int64_t floats =
      sequences * 6 * config.width + tokens * 6 * config.width + hidden_rows(tokens) * config.feed_forward;
  return floats * std::int64_t{sizeof(float)};
}

}  // namespace scalekv::infinity
