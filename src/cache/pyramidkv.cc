// PyramidKV (arXiv 2406.02069): SnapKV's tokens with a budget of its own. Early layers, which spread their attention,
// get more than late ones. The published rule: the last layer gets 1/20 of the mean, the first twice the mean less
// that, and the others lie on the line between.
#include "cache/pyramidkv.h"

#include <algorithm>

#include "cache/policy.h"

namespace scalekv::cache {

std::vector<std::int64_t> pyramid_row(int layers, std::int64_t mean, std::int64_t history) {
  constexpr std::int64_t kSteepness = 20;
  const std::int64_t last = std::max<std::int64_t>(1, mean / kSteepness);
  const std::int64_t first = 2 * mean - last;
  std::vector<std::int64_t> row;
  std::int64_t left = layers * mean;
  for (int layer = 0; layer < layers; ++layer) {
    const std::int64_t fall = layers > 1 ? (first - last) * layer / (layers - 1) : first - mean;
    row.push_back(std::min(first - fall, history));
    left -= row.back();
  }
  // What a layer cannot hold, and what rounding left, goes to the others, a token at a time from the first layer on.
  while (left > 0 && *std::min_element(row.begin(), row.end()) < history) {
    for (std::int64_t& capacity : row) {
      if (left > 0 && capacity < history) ++capacity, --left;
    }
  }
  for (auto capacity = row.begin(); left < 0;
       capacity = std::next(capacity) == row.end() ? row.begin() : capacity + 1) {
    if (*capacity > 1) --*capacity, ++left;
  }
  return row;
}

Policy make_pyramidkv(const PolicyRequest& request, const CacheGeometry& geometry) {
  const std::int64_t mean = mean_tokens(request.share, geometry);
  std::map<int, std::vector<std::int64_t>> rows;
  for (int number = 2; number <= geometry.scale_count(); ++number) {
    const std::int64_t history = geometry.tokens_before(number - 1);
    if (history <= mean) continue;
    auto& row = rows[number];
    for (const std::int64_t capacity : pyramid_row(geometry.layers, mean, history)) {
      row.insert(row.end(), static_cast<std::size_t>(geometry.heads), capacity);
    }
  }
  return {request.name, Budget(geometry.layers, geometry.heads, mean, std::move(rows)), make_last_window_selector()};
}

}  // namespace scalekv::cache
