#include "golden/replay.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/error.h"

namespace scalekv::golden {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Keys and values of both segments, row by row.
void append_rows(const kernels::KeyValueSegment& segment, std::int64_t size, Selection& selection) {
  const kernels::KeyValueReader reader(segment, size);
  const auto add = [&](std::vector<float>& rows) {
    rows.resize(rows.size() + static_cast<std::size_t>(segment.count * size));
    return rows.data() + rows.size() - segment.count * size;
  };
  reader.keys(0, segment.count, add(selection.keys));
  reader.values(0, segment.count, add(selection.values));
}

void mask(std::vector<float>& scores, const std::vector<std::int64_t>& window) {
  for (const std::int64_t index : window) scores[static_cast<std::size_t>(index)] = kMinusInfinity;
}

}  // namespace

Threshold find_threshold(const std::vector<float>& pooled, std::int64_t count) {
  Threshold threshold;
  threshold.gap = std::numeric_limits<float>::infinity();
  if (count < 1) {
    threshold.value = std::numeric_limits<float>::infinity();
    return threshold;
  }
  std::vector<float> sorted = pooled;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  threshold.value = sorted[static_cast<std::size_t>(count - 1)];
  for (const float score : sorted) {
    if (score > threshold.value) ++threshold.above;
    if (score == threshold.value) {
      ++threshold.equal;
    } else if (std::isfinite(score)) {
      threshold.gap = std::min(threshold.gap, std::abs(score - threshold.value));
    }
  }
  return threshold;
}

std::vector<float> reference_scores(const cache::SelectionFacts& facts, const cache::SelectionInput& input,
                                    const std::vector<std::int64_t>& window) {
  const std::int64_t size = input.queries.size(1);
  const float root = std::sqrt(static_cast<float>(size));
  std::vector<float> scores(static_cast<std::size_t>(facts.tokens()), 0.0F);
  for (const std::int64_t index : window) {
    const std::int64_t row = std::clamp<std::int64_t>(index - facts.history, 0, facts.map.tokens() - 1);
    const float* query = input.queries.at(row, 0);
    for (std::int64_t j = 0; j < facts.tokens(); ++j) {
      const bool old = j < facts.history;
      const kernels::KeyValueSegment& segment = old ? input.history : input.map;
      const float* key =
          static_cast<const float*>(segment.keys) + (old ? j : j - facts.history) * segment.stride;  // golden runs: f32
      float product = 0.0F;
      for (std::int64_t d = 0; d < size; ++d) product += query[d] * key[d];
      scores[static_cast<std::size_t>(j)] += product / root;
    }
  }
  mask(scores, window);
  return scores;
}

ReplaySelector::ReplaySelector(std::shared_ptr<const cache::Selector> own, const cache::WindowOptions& options,
                               Keeps keeps, std::vector<std::pair<int, int>> recorded)
    : own_(std::move(own)), options_(options), keeps_(std::move(keeps)), recorded_(std::move(recorded)) {}

std::vector<std::int64_t> ReplaySelector::observed_queries(const cache::SelectionFacts& facts) const {
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < facts.map.tokens(); ++i) positions.push_back(i);
  return positions;
}

std::pair<int, std::size_t> ReplaySelector::next(int scale) const {
  for (const auto& [event, rows] : keeps_) {
    if (event.first != scale) continue;
    const auto done = selections_.find(event);
    const std::size_t count = done == selections_.end() ? 0 : done->second.size();
    if (count < rows.size()) return {event.second, count};
  }
  broken_invariant("a recorded layer is left", __FILE__, __LINE__);
}

void ReplaySelector::select(const cache::SelectionFacts& facts, const cache::SelectionInput& input,
                            std::span<std::int32_t> kept) const {
  const auto [layer, row] = next(facts.scale);
  const std::vector<std::int32_t>& recorded = keeps_.at({facts.scale, layer})[row];
  SCALEKV_ASSERT(recorded.size() == kept.size());
  Selection selection;
  selection.facts = facts;
  selection.window = cache::reference_window(facts.scale, facts.tokens(), options_.window);
  selection.scores = reference_scores(facts, input, selection.window);
  selection.pooled = cache::pool_scores(selection.scores, options_.pool, options_.average);
  selection.pooled.resize(selection.scores.size());
  mask(selection.pooled, selection.window);

  const std::int64_t size = input.queries.size(1);
  const std::vector<std::int64_t> wanted = own_->observed_queries(facts);
  Tensor queries(DType::f32, {static_cast<std::int64_t>(wanted.size()), size}, MemoryKind::other);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::copy_n(input.queries.at(wanted[i], 0), size, queries.view<float>().at(i, 0));
  }
  selection.chosen.resize(kept.size());
  own_->select(facts, {queries.view<float>(), input.history, input.map}, selection.chosen);

  if (std::find(recorded_.begin(), recorded_.end(), std::pair(facts.scale, layer)) != recorded_.end()) {
    selection.queries.assign(input.queries.data(), input.queries.data() + input.queries.elements());
    append_rows(input.history, size, selection);
    append_rows(input.map, size, selection);
  }
  std::copy(recorded.begin(), recorded.end(), kept.begin());
  selections_[{facts.scale, layer}].push_back(std::move(selection));
}

}  // namespace scalekv::golden
