// The steps that the window selectors share: where the window lies, pooling, and picking the largest.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "cache/selector.h"

namespace scalekv::cache {
namespace {

// Token counts of the square 13-scale schedule, which the reference takes for every schedule.
constexpr std::array<std::int64_t, 13> kSquareTokens = {1, 4, 16, 36, 64, 144, 256, 400, 576, 1024, 1600, 2304, 4096};

// The root of a square number, or 0.
std::int64_t exact_root(std::int64_t number) {
  const auto root = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(number))));
  return root * root == number ? root : 0;
}

}  // namespace

std::int64_t pyramid_position(const CacheGeometry& geometry, const SelectionFacts& facts, const SelectionInput& input,
                              std::int64_t index) {
  if (index < facts.history) return input.origin(index);
  return geometry.tokens_before(facts.scale) + index - facts.history;
}

std::vector<std::int64_t> reference_window(int scale, std::int64_t cache_tokens, int window) {
  const std::int64_t assumed = kSquareTokens[static_cast<std::size_t>(std::clamp(scale, 0, 12))];
  const std::int64_t start = std::max<std::int64_t>(0, cache_tokens - assumed);
  const std::int64_t side = exact_root(cache_tokens - start);
  const std::int64_t grid = exact_root(window);
  std::vector<std::int64_t> indices;
  if (side == 0 || grid == 0 || side < grid) {
    for (std::int64_t i = cache_tokens - std::min<std::int64_t>(window, cache_tokens); i < cache_tokens; ++i)
      indices.push_back(i);
    return indices;
  }
  const std::int64_t patch = side / grid;
  for (std::int64_t i = 0; i < grid; ++i) {
    for (std::int64_t j = 0; j < grid; ++j) {
      const std::int64_t row = i * patch + (patch - 1) / 2;
      const std::int64_t column = j * patch + (patch - 1) / 2;
      indices.push_back(std::min(start + row * side + column, cache_tokens - 1));
    }
  }
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

std::vector<std::int64_t> patch_window(MapSize map, int window) {
  const auto side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(window)));
  const std::int64_t rows = std::min(side, map.height);
  const std::int64_t columns = std::min(side, map.width);
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < rows; ++i) {
    // Patch i spans rows [i h / rows, (i + 1) h / rows); its centre rounds towards the top, as the reference's does.
    const std::int64_t row = (i * map.height / rows + (i + 1) * map.height / rows - 1) / 2;
    for (std::int64_t j = 0; j < columns; ++j) {
      const std::int64_t column = (j * map.width / columns + (j + 1) * map.width / columns - 1) / 2;
      positions.push_back(row * map.width + column);
    }
  }
  return positions;
}

std::vector<float> pool_scores(std::span<const float> scores, int pool, bool average) {
  const auto count = static_cast<std::int64_t>(scores.size());
  const std::int64_t padding = pool / 2;
  const std::int64_t pooled_count = count + 2 * padding - pool + 1;
  std::vector<float> pooled(static_cast<std::size_t>(std::max<std::int64_t>(0, pooled_count)));
  for (std::int64_t i = 0; i < pooled_count; ++i) {
    const std::int64_t begin = std::max<std::int64_t>(0, i - padding);
    const std::int64_t end = std::min(count, i - padding + pool);
    const auto neighbours = scores.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    pooled[static_cast<std::size_t>(i)] =
        average ? std::accumulate(neighbours.begin(), neighbours.end(), 0.0F) / static_cast<float>(pool)
                : *std::max_element(neighbours.begin(), neighbours.end());
  }
  return pooled;
}

std::vector<std::int32_t> largest(std::span<const float> scores, std::int64_t count) {
  SCALEKV_ASSERT(0 <= count && count <= static_cast<std::int64_t>(scores.size()));
  std::vector<std::int32_t> picked;
  if (count == 0) return picked;
  // A score that is NaN (a broken weight) is kept last; without this rule sorting would not be safe.
  std::vector<float> numbers(scores.begin(), scores.end());
  for (float& number : numbers) number = std::isnan(number) ? -std::numeric_limits<float>::infinity() : number;
  std::vector<float> sorted = numbers;
  const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(sorted.begin(), nth, sorted.end(), std::greater<>());
  const float threshold = *nth;
  const auto above = std::count_if(numbers.begin(), numbers.end(), [&](float score) { return score > threshold; });
  std::int64_t equals = count - above;
  picked.reserve(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] > threshold || (numbers[i] == threshold && equals-- > 0))
      picked.push_back(static_cast<std::int32_t>(i));
  }
  return picked;
}

std::vector<std::int64_t> last_window(std::int64_t tokens, int window) {
  const std::int64_t count = std::min<std::int64_t>(window, tokens);
  std::vector<std::int64_t> positions(static_cast<std::size_t>(count));
  std::iota(positions.begin(), positions.end(), tokens - count);
  return positions;
}

std::vector<std::int64_t> spread_window(std::int64_t tokens, std::int64_t count) {
  count = std::min(count, tokens);
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < count; ++i) positions.push_back((2 * i + 1) * tokens / (2 * count));
  return positions;
}

std::vector<std::int64_t> in_cache(std::vector<std::int64_t> positions, const SelectionFacts& facts) {
  for (std::int64_t& position : positions) position += facts.history;
  return positions;
}

int fitting_window(int window, std::int64_t capacity) {
  if (capacity >= window) return window;
  const auto side = static_cast<int>(std::sqrt(static_cast<double>(capacity) / 2.0));
  return std::max(1, side * side);
}

void dot_cache(const SelectionInput& input, std::span<const float> query, std::span<float> scores) {
  const auto size = static_cast<std::int64_t>(query.size());
  kernels::KeyValueReader(input.history, size).dot_keys(query, scores.data());
  kernels::KeyValueReader(input.map, size).dot_keys(query, scores.data() + input.history.count);
}

std::vector<float> observed_attention(const SelectionInput& input) {
  const auto tokens = static_cast<std::size_t>(input.history.count + input.map.count);
  std::vector<float> sums(tokens, 0.0F);
  std::vector<float> weights(tokens);
  for (std::int64_t i = 0; i < input.queries.size(0); ++i) {
    const std::span query(input.queries.at(i, 0), static_cast<std::size_t>(input.queries.size(1)));
    dot_cache(input, query, weights);
    const float top = *std::max_element(weights.begin(), weights.end());
    double total = 0.0;
    for (float& weight : weights) total += weight = std::exp(weight - top);
    for (std::size_t j = 0; j < tokens; ++j) sums[j] += weights[j] / static_cast<float>(total);
  }
  return sums;
}

SelectionFacts without_first(SelectionFacts facts, std::int64_t tokens) {
  facts.history -= tokens;
  facts.capacity -= tokens;
  return facts;
}

SelectionRest without_first(const SelectionFacts& facts, const SelectionInput& input, std::int64_t tokens) {
  SelectionRest rest{.facts = without_first(facts, tokens), .input = input, .origins = {}};
  if (tokens == 0) return rest;
  for (std::int64_t j = tokens; j < facts.history; ++j) rest.origins.push_back(input.origin(j));
  rest.input.origins = rest.origins;  // moving a vector leaves its numbers where they are
  kernels::KeyValueSegment& history = rest.input.history;
  const std::int64_t bytes = tokens * history.stride * kernels::kv_element_bytes(history.precision);
  history.keys = static_cast<const std::byte*>(history.keys) + bytes;
  history.values = static_cast<const std::byte*>(history.values) + bytes;
  history.count -= tokens;
  if (!input.received.empty()) rest.input.received = input.received.subspan(static_cast<std::size_t>(tokens));
  if (input.folded.index >= 0) rest.input.folded.index -= static_cast<std::int32_t>(tokens);
  return rest;
}

void keep_always_and_best(std::vector<float> scores, std::span<const std::int64_t> always,
                          std::span<std::int32_t> kept) {
  for (const std::int64_t index : always) {
    scores[static_cast<std::size_t>(index)] = std::numeric_limits<float>::infinity();
  }
  const std::vector<std::int32_t> picked = largest(scores, static_cast<std::int64_t>(kept.size()));
  std::copy(picked.begin(), picked.end(), kept.begin());
}

}  // namespace scalekv::cache
