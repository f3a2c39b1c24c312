#include "cache/attention_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "cache/regions.h"
#include "runtime/threads.h"

namespace scalekv::cache {
namespace {

// weights[j] = softmax over both segments of query . key.
void softmax_weights(const kernels::AttentionHead& head, std::int64_t query, std::int64_t size,
                     std::span<float> weights) {
  const float* q = head.queries + query * head.query_stride;
  std::size_t j = 0;
  for (const kernels::KeyValueSegment& segment : head.segments) {
    kernels::KeyValueReader(segment, size).dot_keys({q, static_cast<std::size_t>(size)}, weights.data() + j);
    j += static_cast<std::size_t>(segment.count);
  }
  const float top = *std::max_element(weights.begin(), weights.end());
  double total = 0.0;
  for (float& weight : weights) total += weight = std::exp(weight - top);
  for (float& weight : weights) weight /= static_cast<float>(total);
}

// removed[j] += |a_j / (1 - a_j) (o - v_j)|^2 for the history's tokens: how far one query's output moves, exactly, when
// token j alone is removed.
// values: [tokens, size] of both segments.
void add_removal(std::span<const float> values, std::span<const float> weights, std::int64_t size,
                 std::vector<double>& output, std::span<double> removed) {
  std::fill(output.begin(), output.end(), 0.0);
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const float* value = values.data() + static_cast<std::int64_t>(j) * size;
    for (std::int64_t d = 0; d < size; ++d) output[static_cast<std::size_t>(d)] += double{weights[j]} * value[d];
  }
  constexpr double kLeastRest = 1e-3;  // a query that sees one token alone would move without bound
  for (std::size_t token = 0; token < removed.size(); ++token) {
    const float* value = values.data() + static_cast<std::int64_t>(token) * size;
    double distance = 0.0;
    for (std::int64_t d = 0; d < size; ++d) {
      const double difference = output[static_cast<std::size_t>(d)] - value[d];
      distance += difference * difference;
    }
    const double share = weights[token] / std::max(kLeastRest, 1.0 - weights[token]);
    removed[token] += share * share * distance;
  }
}

// The values of both segments, one after the other: [tokens, size].
std::vector<float> all_values(const kernels::AttentionHead& head, std::int64_t size) {
  const std::int64_t history = head.segments[0].count;
  std::vector<float> values(static_cast<std::size_t>((history + head.segments[1].count) * size));
  kernels::KeyValueReader(head.segments[0], size).values(0, history, values.data());
  kernels::KeyValueReader(head.segments[1], size).values(0, head.segments[1].count, values.data() + history * size);
  return values;
}

// Means of the tokens' values over the regions of their maps, source after source.
std::vector<double> mean_over_regions(const std::vector<double>& tokens, const CacheGeometry& geometry, int scale) {
  std::vector<double> means;
  for (int source = 0; source < scale; ++source) {
    const MapSize map = geometry.scales[static_cast<std::size_t>(source)];
    std::vector<double> sums(static_cast<std::size_t>(region_count(map)), 0.0);
    std::vector<double> counts(sums.size(), 0.0);
    for (std::int64_t position = 0; position < map.tokens(); ++position) {
      const auto region = static_cast<std::size_t>(region_of(position, map, map));
      sums[region] += tokens[static_cast<std::size_t>(geometry.tokens_before(source) + position)];
      counts[region] += 1.0;
    }
    for (std::size_t region = 0; region < sums.size(); ++region) means.push_back(sums[region] / counts[region]);
  }
  return means;
}

// The statistics of one head's attention in one sequence.
HeadStatistics measure(const kernels::AttentionHead& head, const CacheGeometry& geometry, int scale) {
  const std::int64_t history = head.segments[0].count;
  const auto tokens = static_cast<std::size_t>(history + head.segments[1].count);
  const auto queries = static_cast<double>(head.query_count);
  const std::int64_t best = concentration_tokens(history);
  HeadStatistics measured;
  std::vector<double> mean(tokens, 0.0);
  std::vector<double> square(tokens, 0.0);
  std::vector<float> weights(tokens);
  const std::vector<float> values = all_values(head, geometry.head_size);
  std::vector<double> output(static_cast<std::size_t>(geometry.head_size));
  std::vector<double> removed(static_cast<std::size_t>(history), 0.0);
  for (std::int64_t i = 0; i < head.query_count; ++i) {
    softmax_weights(head, i, geometry.head_size, weights);
    add_removal(values, weights, geometry.head_size, output, removed);
    for (std::size_t j = 0; j < tokens; ++j) {
      mean[j] += weights[j] / queries;
      square[j] += double{weights[j]} * weights[j] / queries;
    }
    if (history == 0) continue;
    std::nth_element(weights.begin(), weights.begin() + best - 1, weights.begin() + history, std::greater<>());
    measured.concentration += std::accumulate(weights.begin(), weights.begin() + best, 0.0) / queries;
  }
  double variance = 0.0;
  double norm = 0.0;
  for (std::size_t j = 0; j < tokens; ++j) {
    variance += std::max(0.0, square[j] - mean[j] * mean[j]);
    norm += mean[j] * mean[j];
  }
  measured.dispersion = variance / norm;
  measured.current_share = std::accumulate(mean.begin() + history, mean.end(), 0.0);
  for (int source = 0; source < scale; ++source) {
    const auto begin = mean.begin() + geometry.tokens_before(source);
    measured.received.push_back(std::accumulate(begin, begin + geometry.map_tokens(source), 0.0));
  }
  measured.removal = mean_over_regions(removed, geometry, scale);
  std::sort(mean.begin(), mean.begin() + history, std::greater<>());
  for (const std::int64_t kept : kept_grid(history)) {
    measured.lost.push_back(std::accumulate(mean.begin() + kept, mean.begin() + history, 0.0));
  }
  return measured;
}

// sum += factor * term, entry by entry.
void accumulate(HeadStatistics& sum, const HeadStatistics& term, double factor) {
  sum.current_share += factor * term.current_share;
  sum.concentration += factor * term.concentration;
  sum.dispersion += factor * term.dispersion;
  for (std::size_t i = 0; i < sum.received.size(); ++i) sum.received[i] += factor * term.received[i];
  for (std::size_t i = 0; i < sum.lost.size(); ++i) sum.lost[i] += factor * term.lost[i];
  for (std::size_t i = 0; i < sum.removal.size(); ++i) sum.removal[i] += factor * term.removal[i];
}

}  // namespace

std::int64_t concentration_tokens(std::int64_t history) { return std::max<std::int64_t>(1, (history + 5) / 10); }

std::vector<std::int64_t> kept_grid(std::int64_t history) {
  std::vector<std::int64_t> grid;
  for (std::int64_t kept = 0; kept < history; kept += std::max<std::int64_t>(1, kept / 4)) grid.push_back(kept);
  grid.push_back(history);
  return grid;
}

std::size_t removal_regions(const CacheGeometry& geometry, int scale) {
  std::int64_t regions = 0;
  for (int source = 0; source < scale; ++source) {
    regions += region_count(geometry.scales[static_cast<std::size_t>(source)]);
  }
  return static_cast<std::size_t>(regions);
}

AttentionStatistics::AttentionStatistics(const CacheGeometry& geometry) : geometry_(geometry) {
  sums_.resize(static_cast<std::size_t>(geometry.scale_count() * geometry.layers * geometry.heads));
  sequences_.resize(static_cast<std::size_t>(geometry.scale_count() * geometry.layers));
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    const std::size_t entries = kept_grid(geometry.tokens_before(scale)).size();
    for (int layer = 0; layer < geometry.layers; ++layer) {
      for (int head = 0; head < geometry.heads; ++head) {
        HeadStatistics& mine = sums_[index(scale, layer, head)];
        mine.received.resize(static_cast<std::size_t>(scale));
        mine.lost.resize(entries);
        mine.removal.resize(removal_regions(geometry, scale));
      }
    }
  }
}

std::size_t AttentionStatistics::index(int scale, int layer, int head) const {
  return static_cast<std::size_t>((scale * geometry_.layers + layer) * geometry_.heads + head);
}

void AttentionStatistics::add(int scale, int layer, std::span<const kernels::AttentionHead> work) {
  const auto heads = static_cast<std::size_t>(geometry_.heads);
  SCALEKV_ASSERT(work.size() % heads == 0);
  std::vector<HeadStatistics> measured(work.size());
  parallel_for(static_cast<std::int64_t>(work.size()), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    measured[at] = measure(work[at], geometry_, scale);
  });
  for (std::size_t i = 0; i < work.size(); ++i) {
    accumulate(sums_[index(scale, layer, static_cast<int>(i % heads))], measured[i], 1.0);
  }
  sequences_[static_cast<std::size_t>(scale * geometry_.layers + layer)] +=
      static_cast<std::int64_t>(work.size() / heads);
}

std::int64_t AttentionStatistics::sequences(int scale, int layer) const {
  return sequences_[static_cast<std::size_t>(scale * geometry_.layers + layer)];
}

HeadStatistics AttentionStatistics::at(int scale, int layer, int head) const {
  const HeadStatistics& sum = sums_[index(scale, layer, head)];
  HeadStatistics mean;
  mean.received.resize(sum.received.size());
  mean.lost.resize(sum.lost.size());
  mean.removal.resize(sum.removal.size());
  if (sequences(scale, layer) > 0) accumulate(mean, sum, 1.0 / static_cast<double>(sequences(scale, layer)));
  return mean;
}

void AttentionStatistics::set(int scale, int layer, int head, const HeadStatistics& means, std::int64_t sequences) {
  HeadStatistics& mine = sums_[index(scale, layer, head)];
  SCALEKV_ASSERT(means.received.size() == mine.received.size() && means.lost.size() == mine.lost.size() &&
                 means.removal.size() == mine.removal.size());
  mine = means;
  accumulate(mine, means, static_cast<double>(sequences) - 1.0);
  sequences_[static_cast<std::size_t>(scale * geometry_.layers + layer)] = sequences;
}

std::vector<double> harm_of_removal(const AttentionStatistics& statistics, int head, int first, int scales) {
  const CacheGeometry& geometry = statistics.geometry();
  std::vector<double> harm(removal_regions(geometry, first), 0.0);
  for (int scale = first; scale < scales; ++scale) {
    // A scale's regions begin with those of all sources before `first`.
    const HeadStatistics means = statistics.at(scale, head / geometry.heads, head % geometry.heads);
    for (std::size_t region = 0; region < harm.size(); ++region) harm[region] += means.removal[region];
  }
  return harm;
}

std::vector<std::vector<double>> attention_selectivity(const AttentionStatistics& statistics) {
  const CacheGeometry& geometry = statistics.geometry();
  std::vector<std::vector<double>> index(static_cast<std::size_t>(geometry.scale_count()));
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    for (int layer = 0; layer < geometry.layers; ++layer) {
      double sum = 0.0;
      for (int head = 0; head < geometry.heads; ++head) {
        const HeadStatistics mine = statistics.at(scale, layer, head);
        sum += mine.current_share * mine.concentration;
      }
      index[static_cast<std::size_t>(scale)].push_back(sum / geometry.heads);
    }
  }
  return index;
}

std::map<int, std::vector<int>> find_drafters(const AttentionStatistics& statistics, int count) {
  SCALEKV_ASSERT(1 <= count && count <= statistics.geometry().layers);
  const auto index = attention_selectivity(statistics);
  std::map<int, std::vector<int>> drafters;
  for (std::size_t scale = 1; scale < index.size(); ++scale) {
    std::vector<int> layers(index[scale].size());
    std::iota(layers.begin(), layers.end(), 0);
    std::stable_sort(layers.begin(), layers.end(), [&](int a, int b) {
      return index[scale][static_cast<std::size_t>(a)] < index[scale][static_cast<std::size_t>(b)];
    });
    layers.resize(static_cast<std::size_t>(count));
    std::sort(layers.begin(), layers.end());
    drafters.emplace(static_cast<int>(scale) + 1, std::move(layers));
  }
  return drafters;
}

}  // namespace scalekv::cache
