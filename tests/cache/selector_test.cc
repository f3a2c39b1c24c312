#include "cache/selector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "runtime/philox.h"

namespace scalekv::cache {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Window, ReferenceOnTheSquareSchedule) {
  // Scale index 4: 8x8 map, patches of 2x2, centre index 0 of each.
  const std::vector<std::int64_t> window = reference_window(4, 57 + 64, 16);
  ASSERT_EQ(window.size(), 16U);
  EXPECT_EQ(window.front(), 57);
  EXPECT_EQ(window[1], 59);
  EXPECT_EQ(window[4], 57 + 2 * 8);
  // Index 7: 20x20, patches of 5x5, centre 2.
  EXPECT_EQ(reference_window(7, 921, 16).front(), 521 + 2 * 20 + 2);
}

TEST(Window, ReferenceFallsBackToTheLastTokens) {
  const std::vector<std::int64_t> window = reference_window(1, 5, 16);  // a 2x2 map has no 4x4 grid
  EXPECT_EQ(window, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  const std::vector<std::int64_t> odd = reference_window(4, 121, 12);  // 12 is no square
  EXPECT_EQ(odd.front(), 109);
  EXPECT_EQ(odd.size(), 12U);
}

TEST(Window, PatchesAgreeWithTheReferenceWhereItIsRight) {
  for (const int scale : {4, 5, 6, 7, 8, 9, 10, 11, 12}) {
    const std::int64_t side = std::array{8, 12, 16, 20, 24, 32, 40, 48, 64}[static_cast<std::size_t>(scale - 4)];
    EXPECT_EQ(patch_window({side, side}, 16), reference_window(scale, side * side, 16)) << side;
  }
}

TEST(Window, PatchesLieInAnyMap) {
  for (const MapSize map : {MapSize{1, 1}, {2, 3}, {3, 9}, {5, 4}, {12, 9}, {111, 37}}) {
    const std::vector<std::int64_t> window = patch_window(map, 16);
    EXPECT_EQ(std::set(window.begin(), window.end()).size(), window.size());
    EXPECT_TRUE(std::is_sorted(window.begin(), window.end()));
    EXPECT_LT(window.back(), map.tokens());
    EXPECT_EQ(static_cast<std::int64_t>(window.size()),
              std::min<std::int64_t>(4, map.height) * std::min<std::int64_t>(4, map.width));
  }
}

TEST(Pooling, MaximumAndAverage) {
  const std::vector<float> scores = {1, 5, 2, -kInfinity, 0, 3};
  EXPECT_EQ(pool_scores(scores, 3, false), (std::vector<float>{5, 5, 5, 2, 3, 3}));
  EXPECT_EQ(pool_scores(scores, 1, false), scores);
  const std::vector<float> average = pool_scores(scores, 3, true);
  EXPECT_FLOAT_EQ(average[0], 2.0F);  // (0 + 1 + 5) / 3: the padding counts
  EXPECT_EQ(average[2], -kInfinity);  // a window token poisons its neighbours
  EXPECT_EQ(pool_scores(scores, 4, false).size(), 7U);
}

TEST(Largest, EqualScoresGoToTheLowestIndex) {
  const std::vector<float> scores = {2, 7, 2, 2, 9, 2};
  EXPECT_EQ(largest(scores, 4), (std::vector<std::int32_t>{0, 1, 2, 4}));
  EXPECT_EQ(largest(scores, 0), (std::vector<std::int32_t>{}));
  EXPECT_EQ(largest(scores, 6).size(), 6U);
}

// A selector against the definition written out plainly, and its promises for random inputs.
class SelectorTest : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<const Selector> make() const {
    return GetParam() ? make_attention_selector() : make_reference_selector();
  }
};

struct RandomCase {
  SelectionFacts facts;
  std::int64_t size = 12;
  std::vector<float> keys, queries;

  RandomCase(int scale, MapSize map, std::int64_t history, std::int64_t capacity)
      : facts{.scale = scale, .map = map, .history = history, .capacity = capacity} {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(facts.tokens() * size); ++i) {
      keys.push_back(normal(11, {i, static_cast<std::uint32_t>(scale), 0, 0}));
    }
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(map.tokens() * size); ++i) {
      queries.push_back(normal(12, {i, static_cast<std::uint32_t>(scale), 0, 0}));
    }
  }

  std::vector<std::int32_t> select(const Selector& selector) const {
    std::vector<float> observed;
    for (const std::int64_t row : selector.observed_queries(facts)) {
      observed.insert(observed.end(), queries.begin() + row * size, queries.begin() + (row + 1) * size);
    }
    const View<const float> rows(observed.data(), {static_cast<std::int64_t>(observed.size()) / size, size});
    std::vector<std::int32_t> kept(static_cast<std::size_t>(facts.capacity));
    selector.select(facts,
                    {rows,
                     {keys.data(), nullptr, facts.history, size},
                     {keys.data() + facts.history * size, nullptr, facts.map.tokens(), size}},
                    kept);
    return kept;
  }
};

TEST_P(SelectorTest, KeepsExactlyTheCapacitySortedAndUnique) {
  const auto selector = make();
  for (const auto& [scale, map, history] : {std::tuple{4, MapSize{8, 8}, 57},
                                            {6, MapSize{16, 16}, 100},
                                            {5, MapSize{16, 12}, 40},
                                            {2, MapSize{4, 3}, 6},
                                            {1, MapSize{2, 2}, 1}}) {
    for (const std::int64_t capacity : {1, 2, 5, 9, 16, 17, 40, 100}) {
      if (capacity >= history + map.tokens()) continue;
      const RandomCase random(scale, map, history, capacity);
      const std::vector<std::int32_t> kept = random.select(*selector);
      EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
      EXPECT_EQ(std::set(kept.begin(), kept.end()).size(), kept.size());
      EXPECT_GE(kept.front(), 0);
      EXPECT_LT(kept.back(), random.facts.tokens());
      EXPECT_EQ(kept, random.select(*selector));  // the same again: nothing is remembered
    }
  }
}

TEST_P(SelectorTest, AgreesWithTheDefinition) {
  const auto selector = make();
  const RandomCase random(4, {8, 8}, 57, 60);
  const std::int64_t tokens = random.facts.tokens();
  std::vector<double> scores(static_cast<std::size_t>(tokens), 0.0);
  const std::vector<std::int64_t> rows = selector->observed_queries(random.facts);
  for (const std::int64_t row : rows) {
    std::vector<double> logits;
    for (std::int64_t j = 0; j < tokens; ++j) {
      double dot = 0.0;
      for (std::int64_t d = 0; d < random.size; ++d) {
        dot += double{random.queries[static_cast<std::size_t>(row * random.size + d)]} *
               random.keys[static_cast<std::size_t>(j * random.size + d)];
      }
      logits.push_back(GetParam() ? std::exp(dot) : dot / std::sqrt(12.0));
    }
    const double total = GetParam() ? std::accumulate(logits.begin(), logits.end(), 0.0) : 1.0;
    for (std::int64_t j = 0; j < tokens; ++j)
      scores[static_cast<std::size_t>(j)] += logits[static_cast<std::size_t>(j)] / total;
  }
  const auto in_window = [&](std::int64_t j) {
    return std::find(rows.begin(), rows.end(), j - 57) != rows.end() && j >= 57;
  };
  std::vector<std::pair<double, std::int64_t>> ranked;
  for (std::int64_t j = 0; j < tokens; ++j) {
    if (in_window(j)) continue;
    double best = -1e30;
    for (std::int64_t n = std::max<std::int64_t>(0, j - 2); n <= std::min(tokens - 1, j + 2); ++n) {
      if (!in_window(n)) best = std::max(best, scores[static_cast<std::size_t>(n)]);
    }
    ranked.emplace_back(-best, j);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::int32_t> expected;
  for (std::int64_t j = 57; j < tokens; ++j) {
    if (in_window(j)) expected.push_back(static_cast<std::int32_t>(j));
  }
  for (std::size_t i = 0; expected.size() < 60; ++i) expected.push_back(static_cast<std::int32_t>(ranked[i].second));
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(random.select(*selector), expected);
}

INSTANTIATE_TEST_SUITE_P(Forms, SelectorTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "attention" : "reference"; });

}  // namespace
}  // namespace scalekv::cache
