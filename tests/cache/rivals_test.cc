// The published rivals of ScaleKV, each on a hand-made case.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "cache/budget.h"
#include "cache/planned.h"
#include "cache/policy.h"

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
  EXPECT_EQ(Case().select(make_policy({.name = "sliding-window"}, kRivalsGeometry), 4),
            (std::vector<std::int32_t>{18, 19, 20, 21}));
}

TEST(StreamingLlm, KeepsFirstScalesAndTheLast) {
  const Policy policy = make_policy({.name = "streaming-llm"}, kRivalsGeometry);
  EXPECT_EQ(Case().select(policy, 8), (std::vector<std::int32_t>{0, 1, 2, 3, 18, 19, 20, 21}));
  EXPECT_EQ(Case().select(policy, 12), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 15, 16, 17, 18, 19, 20, 21}));
}

TEST(AmsKv, KeepsTheFirstTwoScalesAndTheMostRecent) {
  // Maps of 1, 4, 12, 16 and 30 tokens; the third and fourth have just been stored.
  const CacheGeometry geometry{
      .layers = 1, .heads = 1, .head_size = 1, .scales = {{1, 1}, {2, 2}, {3, 4}, {4, 4}, {5, 6}}};
  const Policy policy = make_policy({.name = "ams-kv"}, geometry);
  const std::vector<float> keys(64, 0.0F);
  // After scale index `scale`, of a cache that holds these positions of the scales before.
  const auto select = [&](int scale, const std::vector<std::int32_t>& history, std::int64_t capacity) {
    const SelectionFacts facts{.scale = scale,
                               .map = geometry.scales[static_cast<std::size_t>(scale)],
                               .history = static_cast<std::int64_t>(history.size()),
                               .capacity = capacity};
    std::vector<std::int32_t> kept(static_cast<std::size_t>(capacity));
    policy.selector->select(facts,
                            {.queries = View<const float>(keys.data(), {0, 1}),
                             .history = {keys.data(), nullptr, facts.history, 1},
                             .map = {keys.data() + facts.history, nullptr, facts.map.tokens(), 1},
                             .origins = history},
                            kept);
    for (std::int32_t& index : kept) {
      index = index < facts.history ? history[static_cast<std::size_t>(index)]
                                    : static_cast<std::int32_t>(geometry.tokens_before(scale) + index - facts.history);
    }
    return kept;
  };
  const auto run = [](std::int32_t first, std::int32_t last) {
    std::vector<std::int32_t> positions(static_cast<std::size_t>(last - first + 1));
    std::iota(positions.begin(), positions.end(), first);
    return positions;
  };
  const auto join = [](std::vector<std::int32_t> a, const std::vector<std::int32_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const std::vector<std::int32_t> first = run(0, 4);
  // 21 places: the two first scales and the last map, all of it; the map between them goes.
  EXPECT_EQ(select(3, run(0, 16), 21), join(first, run(17, 32)));
  // 33 would be all; 32: one token of the map before goes, too.
  const std::vector<std::int32_t> nearly = select(3, run(0, 16), 32);
  EXPECT_TRUE(std::includes(nearly.begin(), nearly.end(), first.begin(), first.end()));
  EXPECT_EQ(std::vector(nearly.end() - 16, nearly.end()), run(17, 32));
  // 13 places: 8 tokens of the last map of 4 x 4, two in every row and two in every column; nothing of the one before.
  const std::vector<std::int32_t> some = select(3, run(0, 16), 13);
  EXPECT_EQ(std::vector(some.begin(), some.begin() + 5), first);
  std::vector<int> rows(4, 0), columns(4, 0);
  for (std::size_t i = 5; i < some.size(); ++i) {
    ASSERT_GE(some[i], 17);
    ++rows[static_cast<std::size_t>((some[i] - 17) / 4)];
    ++columns[static_cast<std::size_t>((some[i] - 17) % 4)];
  }
  EXPECT_EQ(rows, (std::vector<int>{2, 2, 2, 2}));
  EXPECT_EQ(columns, (std::vector<int>{2, 2, 2, 2}));
  // At the next scale the last map does not fit, and what is left of the one before goes.
  const std::vector<std::int32_t> next = select(4, some, 13);
  EXPECT_EQ(std::vector(next.begin(), next.begin() + 5), first);
  EXPECT_GE(next[5], 33);
  // A tiny budget leaves half of it to the first scales.
  EXPECT_EQ(std::vector(select(3, run(0, 16), 3)), (join({0, 1}, {select(3, run(0, 16), 3).back()})));
  EXPECT_GE(select(3, run(0, 16), 3).back(), 17);
  EXPECT_EQ(select(3, run(0, 16), 1), (std::vector<std::int32_t>{0}));
}

TEST(SnapKv, KeepsTheNeighbourhoodOfWhatTheLastQueriesSee) {
  Case made;
  made.keys[4] = 9.0F;
  // Capacity 6: a window of 1 token (a square of at most half), and the 5 around token 4, which share its weight.
  EXPECT_EQ(made.select(make_policy({.name = "snapkv"}, kRivalsGeometry), 6),
            (std::vector<std::int32_t>{2, 3, 4, 5, 6, 21}));
}

// What the window itself weighs is not shared with the tokens before it, which would be kept for it.
TEST(SnapKv, TheWindowDoesNotPoolIntoItsNeighbours) {
  Case made;
  made.keys[4] = 5.0F;
  made.keys[21] = 9.0F;  // the window's only token
  EXPECT_EQ(made.select(make_policy({.name = "snapkv"}, kRivalsGeometry), 6),
            (std::vector<std::int32_t>{2, 3, 4, 5, 6, 21}));
}

TEST(HeavyHitters, AddUpOverSelections) {
  const Policy policy = make_policy({.name = "h2o"}, kRivalsGeometry);
  Case made;
  made.keys[2] = 3.0F;
  std::vector<float> received(22, 0.0F);
  received[7] = 100.0F;  // what was seen before counts
  EXPECT_EQ(made.select(policy, 4, received), (std::vector<std::int32_t>{2, 7, 20, 21}));
  EXPECT_GT(received[2], 1.0F);  // 12 queries, each gives token 2 most of its weight
  EXPECT_NEAR(std::accumulate(received.begin(), received.end(), 0.0F), 112.0F, 1e-3F);
}

TEST(PyramidKv, ChoosesAsSnapKvWithinItsOwnRows) {
  const Policy policy = make_policy({.name = "pyramidkv", .share = 8.0 / 17.0}, kRivalsGeometry);
  // A mean of 8 tokens: only the last map's history, 17 tokens, exceeds it. Two layers of three heads.
  EXPECT_EQ(policy.budget.rows(), (std::map<int, std::vector<std::int64_t>>{{4, {15, 15, 15, 1, 1, 1}}}));
  Case made;
  made.keys[4] = 9.0F;
  EXPECT_EQ(made.select(policy, 6), (std::vector<std::int32_t>{2, 3, 4, 5, 6, 21}));
}

// Statistics of one head at a scale of which only these are known.
HeadStatistics means_of(const CacheGeometry& geometry, int scale, std::vector<double> received, double dispersion) {
  received.resize(static_cast<std::size_t>(scale), 0.0);
  return {.dispersion = dispersion,
          .received = std::move(received),
          .lost = std::vector<double>(kept_grid(geometry.tokens_before(scale)).size(), 0.0),
          .removal = std::vector<double>(removal_regions(geometry, scale), 0.0)};
}

TEST(HeatKv, DropsTheColdestWholeScalesUntilTheBudgetHolds) {
  // Maps of 1, 2, 4, 8, 16 and 32 tokens; two heads; a mean of 12 tokens protects the first three maps, 7 tokens.
  const CacheGeometry geometry{
      .layers = 1, .heads = 2, .head_size = 1, .scales = {{1, 1}, {1, 2}, {2, 2}, {2, 4}, {4, 4}, {4, 8}}};
  AttentionStatistics statistics(geometry);
  // Heat of the map of 8: 0.3 in head 0 (the mean of 0.4 and 0.2) and 0.05 in head 1; of the map of 16: 0.1 and 0.2.
  // Protected maps are cold, and stay.
  statistics.set(4, 0, 0, means_of(geometry, 4, {0.0, 0.0, 0.0, 0.4}, 0.0), 1);
  statistics.set(5, 0, 0, means_of(geometry, 5, {0.0, 0.0, 0.0, 0.2, 0.1}, 0.0), 1);
  statistics.set(4, 0, 1, means_of(geometry, 4, {0.0, 0.0, 0.0, 0.1}, 0.0), 1);
  statistics.set(5, 0, 1, means_of(geometry, 5, {0.0, 0.0, 0.0, 0.0, 0.2}, 0.0), 1);
  const TokenPlan plan = plan_blocks(statistics, geometry, 12);
  ASSERT_EQ(plan.size(), 2U);  // histories of 15 and 31 tokens
  const auto first = [](std::size_t tokens, std::size_t history) {
    std::vector<bool> kept(history, false);
    std::fill_n(kept.begin(), tokens, true);
    return kept;
  };
  // 30 tokens may be 24: without head 1's map of 8 they are 22.
  EXPECT_EQ(plan.at(5)[0], first(15, 15));
  EXPECT_EQ(plan.at(5)[1], first(7, 15));
  // 62 may be 24: then head 0's map of 16 goes, then head 1's, and head 0's map of 8, the hottest, stays.
  EXPECT_EQ(plan.at(6)[0], first(15, 31));
  EXPECT_EQ(plan.at(6)[1], first(7, 31));
}

TEST(HeatKv, ProtectsFewerMapsWhereTheyAreMoreThanTheBudget) {
  const CacheGeometry geometry{.layers = 1, .heads = 2, .head_size = 1, .scales = {{1, 1}, {1, 2}, {2, 2}, {2, 4}}};
  AttentionStatistics statistics(geometry);
  for (int scale = 1; scale < 4; ++scale) {
    for (int head = 0; head < 2; ++head) {
      statistics.set(scale, 0, head, means_of(geometry, scale, {0.0, 0.1, 0.2}, 0.0), 1);
    }
  }
  const TokenPlan plan = plan_blocks(statistics, geometry, 2);
  // A history of 3: head 0 gives up its map of 2. Of 7: both give up everything but the first token.
  EXPECT_EQ(
      plan,
      (TokenPlan{
          {3, {{true, false, false}, {true, true, true}}},
          {4, {{true, false, false, false, false, false, false}, {true, false, false, false, false, false, false}}}}));
}

// Six heads; those of the larger dispersion (1, 3 and 4) are structural.
std::shared_ptr<const Calibration> hack_calibration() {
  auto made = std::make_shared<Calibration>(Calibration{"toy", 1, AttentionStatistics(kRivalsGeometry)});
  const std::vector<double> dispersion = {0.1, 0.9, 0.2, 0.8, 0.7, 0.3};
  for (int head = 0; head < 6; ++head) {
    for (int scale = 1; scale < 4; ++scale) {
      // Of a token: 0.2 of the first map, 0.1 of the second, 0.05 of the third.
      const std::vector<double> received = scale == 3 ? std::vector<double>{0.2, 0.4, 0.6} : std::vector<double>{};
      made->statistics.set(scale, head / 3, head % 3,
                           means_of(kRivalsGeometry, scale, received, dispersion[static_cast<std::size_t>(head)]), 1);
    }
  }
  return made;
}

TEST(Hack, StructuralHeadsGetThreeTimesWhatContextualOnesGet) {
  const Policy policy = make_policy({"hack", 8.0 / 17.0, "reference", hack_calibration()}, kRivalsGeometry);
  EXPECT_EQ(policy.budget.rows(), (std::map<int, std::vector<std::int64_t>>{{4, {4, 12, 4, 12, 12, 4}}}));
}

TEST(Hack, EachKindOfHeadScoresInItsOwnWay) {
  const Policy policy = make_policy({"hack", 8.0 / 17.0, "reference", hack_calibration()}, kRivalsGeometry);
  // The third map, 12 tokens, after a whole history of 5.
  std::vector<float> keys(17, 0.0F);
  std::vector<float> values(17, 1.0F);
  keys[7] = 9.0F;
  values[3] = 4.0F;
  values[7] = 10.0F;
  const auto select = [&](int head, std::int64_t capacity) {
    const SelectionFacts facts{.scale = 2, .head = head, .map = {3, 4}, .history = 5, .capacity = capacity};
    const auto rows = static_cast<std::int64_t>(policy.selector->observed_queries(facts).size());
    const std::vector<float> queries(static_cast<std::size_t>(rows), 1.0F);
    std::vector<std::int32_t> kept(static_cast<std::size_t>(capacity));
    const SelectionInput input{.queries = View<const float>(queries.data(), {rows, 1}),
                               .history = {keys.data(), values.data(), 5, 1},
                               .map = {keys.data() + 5, values.data() + 5, 12, 1},
                               .head_size = 1};
    policy.selector->select(facts, input, kept);
    return std::pair(rows, kept);
  };
  // Contextual: all 12 queries look at token 7, whose weight the two on either side share; equal ones, lowest first.
  EXPECT_EQ(select(0, 4), std::pair(std::int64_t{12}, std::vector<std::int32_t>{5, 6, 7, 8}));
  // Structural, no query: prior times length is 0.05 x 10 for token 7, 0.1 x 4 for token 3, 0.2 for token 0.
  EXPECT_EQ(select(1, 3), std::pair(std::int64_t{0}, std::vector<std::int32_t>{0, 3, 7}));
}

}  // namespace
}  // namespace scalekv::cache
