#include "cache/rivals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace scalekv::cache {
namespace {

TEST(PyramidRow, FallsOnALineAndAddsUp) {
  const std::vector<std::int64_t> row = pyramid_row(5, 100, 1000);
  EXPECT_EQ(std::accumulate(row.begin(), row.end(), std::int64_t{0}), 500);
  EXPECT_EQ(row.back(), 5);
  EXPECT_GT(row.front(), 190);
  EXPECT_TRUE(std::is_sorted(row.rbegin(), row.rend()));
}

TEST(PyramidRow, ALayerHoldsNoMoreThanItsHistory) {
  const std::vector<std::int64_t> row = pyramid_row(5, 100, 120);
  EXPECT_EQ(*std::max_element(row.begin(), row.end()), 120);
  EXPECT_EQ(std::accumulate(row.begin(), row.end(), std::int64_t{0}), 500);
}

TEST(PyramidRow, TinyBudgets) {
  for (const std::int64_t mean : {1, 2, 3}) {
    const std::vector<std::int64_t> row = pyramid_row(8, mean, 50);
    EXPECT_EQ(std::accumulate(row.begin(), row.end(), std::int64_t{0}), 8 * mean);
    EXPECT_GE(*std::min_element(row.begin(), row.end()), 1);
  }
}

// One head of a 1-channel cache: keys[j] is the logit of token j for a query of 1.
struct Case {
  SelectionFacts facts{.scale = 3, .map = {3, 4}, .history = 10, .capacity = 0};
  std::vector<float> keys = std::vector<float>(22, 0.0F);

  std::vector<std::int32_t> select(const Policy& policy, std::int64_t capacity, std::span<float> received = {}) {
    facts.capacity = capacity;
    const auto rows = static_cast<std::int64_t>(policy.selector->observed_queries(facts).size());
    const std::vector<float> queries(static_cast<std::size_t>(rows), 1.0F);
    std::vector<std::int32_t> kept(static_cast<std::size_t>(capacity));
    const SelectionInput input{.queries = View<const float>(queries.data(), {rows, 1}),
                               .history = {keys.data(), nullptr, facts.history, 1},
                               .map = {keys.data() + facts.history, nullptr, facts.map.tokens(), 1},
                               .received = received};
    policy.selector->select(facts, input, kept);
    return kept;
  }
};

const CacheGeometry kRivalsGeometry{
    .layers = 2, .heads = 3, .head_size = 1, .scales = {{1, 1}, {2, 2}, {3, 4}, {8, 8}}};

TEST(SlidingWindow, KeepsTheLast) {
  EXPECT_EQ(Case().select(make_sliding_window({}, kRivalsGeometry), 4), (std::vector<std::int32_t>{18, 19, 20, 21}));
}

TEST(StreamingLlm, KeepsFirstScalesAndTheLast) {
  const Policy policy = make_streaming_llm({}, kRivalsGeometry);
  EXPECT_EQ(Case().select(policy, 8), (std::vector<std::int32_t>{0, 1, 2, 3, 18, 19, 20, 21}));
  EXPECT_EQ(Case().select(policy, 12), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 15, 16, 17, 18, 19, 20, 21}));
}

TEST(SnapKv, KeepsTheNeighbourhoodOfWhatTheLastQueriesSee) {
  Case made;
  made.keys[4] = 9.0F;
  // Capacity 6: a window of 1 token (a square of at most half), and the 5 around token 4, which share its weight.
  EXPECT_EQ(made.select(make_snapkv({}, kRivalsGeometry), 6), (std::vector<std::int32_t>{2, 3, 4, 5, 6, 21}));
}

TEST(HeavyHitters, AddUpOverSelections) {
  const Policy policy = make_h2o({}, kRivalsGeometry);
  Case made;
  made.keys[2] = 3.0F;
  std::vector<float> received(22, 0.0F);
  received[7] = 100.0F;  // what was seen before counts
  EXPECT_EQ(made.select(policy, 4, received), (std::vector<std::int32_t>{2, 7, 20, 21}));
  EXPECT_GT(received[2], 1.0F);  // 12 queries, each gives token 2 most of its weight
  EXPECT_NEAR(std::accumulate(received.begin(), received.end(), 0.0F), 112.0F, 1e-3F);
}

}  // namespace
}  // namespace scalekv::cache
