// Statistics of attention maps made by hand, whose answers are worked out on paper.
#include "cache/attention_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace scalekv::cache {
namespace {

// Maps of 1, 2 and 3 tokens; one layer of one head with one channel, so that a key is a logit for a query of 1.
const CacheGeometry kRowOfTokens{.layers = 1, .heads = 1, .head_size = 1, .scales = {{1, 1}, {1, 2}, {1, 3}}};

// Two queries at the last scale: one sees (0.4, 0.1, 0.1 | 0.2, 0.1, 0.1), the other every token alike. Only the first
// token has a value.
struct HandMade {
  std::vector<float> queries = {1.0F, 0.0F};
  std::vector<float> history = {std::log(0.4F), std::log(0.1F), std::log(0.1F)};
  std::vector<float> map = {std::log(0.2F), std::log(0.1F), std::log(0.1F)};
  std::vector<float> values = {1.0F, 0.0F, 0.0F};
  std::vector<float> map_values = {0.0F, 0.0F, 0.0F};

  HeadStatistics measure() const { return add_twice().at(2, 0, 0); }

  // The same map twice: means, not sums.
  AttentionStatistics add_twice() const {
    AttentionStatistics statistics(kRowOfTokens);
    const kernels::AttentionHead head{.queries = queries.data(),
                                      .query_stride = 1,
                                      .query_count = 2,
                                      .segments = {kernels::KeyValueSegment{history.data(), values.data(), 3, 1},
                                                   kernels::KeyValueSegment{map.data(), map_values.data(), 3, 1}}};
    statistics.add(2, 0, std::span(&head, 1));
    statistics.add(2, 0, std::span(&head, 1));
    EXPECT_EQ(statistics.sequences(2, 0), 2);
    return statistics;
  }
};

TEST(AttentionStatistics, SharesAndConcentration) {
  const HeadStatistics means = HandMade().measure();
  EXPECT_NEAR(means.current_share, (0.4 + 0.5) / 2.0, 1e-6);
  EXPECT_NEAR(means.concentration, (0.4 + 1.0 / 6.0) / 2.0, 1e-6);  // one token of three: the best of each query
  ASSERT_EQ(means.received.size(), 2U);
  EXPECT_NEAR(means.received[0], (0.4 + 1.0 / 6.0) / 2.0, 1e-6);
  EXPECT_NEAR(means.received[1], (0.2 + 1.0 / 3.0) / 2.0, 1e-6);
  EXPECT_NEAR(means.dispersion, 0.0183333 / 0.185, 1e-5);
}

TEST(AttentionStatistics, SelectivityIsShareTimesConcentration) {
  const AttentionStatistics statistics = HandMade().add_twice();
  EXPECT_NEAR(attention_selectivity(statistics)[2][0], 0.45 * (0.4 + 1.0 / 6.0) / 2.0, 1e-6);
}

TEST(AttentionStatistics, LostMassFallsWithWhatIsKept) {
  const HeadStatistics means = HandMade().measure();
  ASSERT_EQ(kept_grid(3), (std::vector<std::int64_t>{0, 1, 2, 3}));
  const std::vector<double> expected = {0.55, 0.2666667, 0.1333333, 0.0};
  ASSERT_EQ(means.lost.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(means.lost[i], expected[i], 1e-6) << i;
}

TEST(AttentionStatistics, RemovalIsHowFarTheOutputMoves) {
  const HeadStatistics means = HandMade().measure();
  ASSERT_EQ(means.removal.size(), 3U);
  // Without its first token the outputs 0.4 and 1/6 become 0.
  EXPECT_NEAR(means.removal[0], 0.16 + 1.0 / 36.0, 1e-6);
  // Without the second one they become 0.4 / 0.9 and 1/5.
  const double moved = std::pow(0.4 / 0.9 - 0.4, 2) + std::pow(0.2 - 1.0 / 6.0, 2);
  EXPECT_NEAR(means.removal[1], moved, 1e-6);
  EXPECT_NEAR(means.removal[2], moved, 1e-6);
}

TEST(AttentionStatistics, HeadsThatSeeTheSameHaveNoDispersion) {
  HandMade made;
  made.queries = {1.0F, 1.0F};
  EXPECT_NEAR(made.measure().dispersion, 0.0, 1e-6);
}

TEST(AttentionStatistics, LowestSelectivityNamesTheDrafters) {
  AttentionStatistics statistics({.layers = 3, .heads = 1, .head_size = 1, .scales = {{1, 1}, {1, 2}}});
  for (int layer = 0; layer < 3; ++layer) {
    statistics.set(1, layer, 0,
                   {.current_share = layer == 1 ? 0.2 : 0.8,
                    .concentration = 0.5,
                    .received = {0.1},
                    .lost = {0.1, 0.0},
                    .removal = {1.0}},
                   4);
  }
  EXPECT_EQ(find_drafters(statistics, 1), (std::map<int, std::vector<int>>{{2, {1}}}));
  EXPECT_EQ(find_drafters(statistics, 2), (std::map<int, std::vector<int>>{{2, {0, 1}}}));  // equal ones: lowest first
}

}  // namespace
}  // namespace scalekv::cache
