// Statistics of attention maps made by hand, whose answers are worked out on paper.
#include "cache/attention_statistics.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
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

// A tenth of the history, halves upwards, and at least one token.
TEST(AttentionStatistics, ConcentrationIsOfATenth) {
  for (const auto& [history, tokens] : {std::pair{0, 1}, {1, 1}, {14, 1}, {15, 2}, {100, 10}, {104, 10}, {105, 11}}) {
    EXPECT_EQ(concentration_tokens(history), tokens) << history;
  }
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

// Two heads, two queries, two sequences that differ; maps of 1, 16 and 2 tokens, so that K' is 2 and regions of the
// middle map have two tokens each. Query i is the i-th unit vector, so that entry i of key j is the log of the weight
// that query i gives token j. Only the first token has a value, (1, 0).
class TwoSequences {
 public:
  static constexpr std::size_t kTokens = 19;
  using Weights = std::array<double, kTokens>;  // of one query; they add up to 1

  // first, second: what the two queries of each head see, [sequence][head].
  void add(const Weights& first, const Weights& second) {
    std::vector<float>& keys = keys_.emplace_back();
    for (std::size_t j = 0; j < kTokens; ++j) {
      keys.push_back(static_cast<float>(std::log(first[j])));
      keys.push_back(static_cast<float>(std::log(second[j])));
    }
  }

  AttentionStatistics measure() const {
    const std::vector<float> queries = {1.0F, 0.0F, 0.0F, 1.0F};
    std::vector<float> values(2 * kTokens, 0.0F);
    values[0] = 1.0F;
    std::vector<kernels::AttentionHead> work;
    for (const std::vector<float>& keys : keys_) {
      work.push_back({.queries = queries.data(),
                      .query_stride = 2,
                      .query_count = 2,
                      .segments = {kernels::KeyValueSegment{keys.data(), values.data(), 17, 2},
                                   kernels::KeyValueSegment{keys.data() + 34, values.data() + 34, 2, 2}}});
    }
    AttentionStatistics statistics({.layers = 1, .heads = 2, .head_size = 2, .scales = {{1, 1}, {1, 16}, {1, 2}}});
    statistics.add(2, 0, work);
    return statistics;
  }

 private:
  std::vector<std::vector<float>> keys_;
};

constexpr double kEven = 1.0 / 19.0;

AttentionStatistics two_sequences() {
  TwoSequences::Weights even{}, peaked{}, own{}, flat{};
  even.fill(kEven);
  // Tokens 0, 1 and 5 of the history see most; the map's two see 0.13 each.
  peaked.fill(0.01);
  peaked[0] = 0.30, peaked[1] = 0.20, peaked[5] = 0.10, peaked[17] = peaked[18] = 0.13;
  flat.fill(0.02);
  flat[17] = flat[18] = 0.33;
  own.fill(0.01);
  own[0] = 0.04, own[17] = own[18] = 0.40;
  TwoSequences made;
  made.add(peaked, even);  // sequence 0, head 0
  made.add(even, even);    // sequence 0, head 1
  made.add(flat, flat);    // sequence 1, head 0
  made.add(own, own);      // sequence 1, head 1
  return made.measure();
}

TEST(AttentionStatistics, HeadsApartAndSequencesAveraged) {
  const AttentionStatistics statistics = two_sequences();
  ASSERT_EQ(statistics.sequences(2, 0), 2);
  ASSERT_EQ(concentration_tokens(17), 2);
  const HeadStatistics first = statistics.at(2, 0, 0);
  const HeadStatistics second = statistics.at(2, 0, 1);
  const double share_first = ((0.26 + 2.0 * kEven) / 2.0 + 0.66) / 2.0;
  const double share_second = (2.0 * kEven + 0.80) / 2.0;
  EXPECT_NEAR(first.current_share, share_first, 1e-6);
  EXPECT_NEAR(second.current_share, share_second, 1e-6);
  // The two best history tokens of every query.
  const double best_first = ((0.50 + 2.0 * kEven) / 2.0 + 0.04) / 2.0;
  const double best_second = (2.0 * kEven + 0.05) / 2.0;
  EXPECT_NEAR(first.concentration, best_first, 1e-6);
  EXPECT_NEAR(second.concentration, best_second, 1e-6);
  ASSERT_EQ(first.received.size(), 2U);
  EXPECT_NEAR(first.received[0], ((0.30 + kEven) / 2.0 + 0.02) / 2.0, 1e-6);
  EXPECT_NEAR(first.received[1], ((0.44 + 16.0 * kEven) / 2.0 + 0.32) / 2.0, 1e-6);
  EXPECT_NEAR(second.received[0], (kEven + 0.04) / 2.0, 1e-6);
  EXPECT_NEAR(second.received[1], (16.0 * kEven + 0.16) / 2.0, 1e-6);
  // The index is the mean of the heads' products, not the product of their means.
  EXPECT_NEAR(attention_selectivity(statistics)[2][0], (share_first * best_first + share_second * best_second) / 2.0,
              1e-6);
}

TEST(AttentionStatistics, LostMassOverSequencesThatDiffer) {
  const HeadStatistics first = two_sequences().at(2, 0, 0);
  ASSERT_EQ(kept_grid(17), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 17}));
  // Of sequence 0 the mean weights are, best first, (0.3, 0.2, 0.1 and then 0.01 + even) / 2; all of sequence 1's 0.02.
  const std::vector<double> best = {0.30, 0.20, 0.10};
  const std::vector<std::int64_t> grid = kept_grid(17);
  for (std::size_t i = 0; i < grid.size(); ++i) {
    double lost = 0.02 * static_cast<double>(17 - grid[i]);
    for (auto token = static_cast<std::size_t>(grid[i]); token < 17; ++token) {
      lost += ((token < 3 ? best[token] : 0.01) + kEven) / 2.0;
    }
    EXPECT_NEAR(first.lost[i], lost / 2.0, 1e-6) << grid[i];
  }
}

TEST(AttentionStatistics, RemovalOverRegionsOfSeveralTokens) {
  const HeadStatistics first = two_sequences().at(2, 0, 0);
  ASSERT_EQ(first.removal.size(), 9U);  // the first map, and 8 regions of the second, of two tokens each
  // A query's output is the first token's weight. Without that token it is 0; without another of weight w it grows to
  // weight / (1 - w). Both queries add up; sequence 1's see 0.02 of the first token and of every other.
  const auto moved = [](double top, double w) { return std::pow(top / (1.0 - w) - top, 2.0); };
  const auto other = [&](double w) { return moved(0.30, w) + moved(kEven, kEven); };
  const double second = 2.0 * moved(0.02, 0.02);
  EXPECT_NEAR(first.removal[0], (0.30 * 0.30 + kEven * kEven + 2.0 * 0.02 * 0.02) / 2.0, 1e-7);
  EXPECT_NEAR(first.removal[1], ((other(0.20) + other(0.01)) / 2.0 + second) / 2.0, 1e-7);  // tokens 1 and 2
  EXPECT_NEAR(first.removal[2], (other(0.01) + second) / 2.0, 1e-7);                        // 3 and 4
  EXPECT_NEAR(first.removal[3], ((other(0.10) + other(0.01)) / 2.0 + second) / 2.0, 1e-7);  // 5 and 6
  EXPECT_NEAR(first.removal[8], (other(0.01) + second) / 2.0, 1e-7);
}

TEST(AttentionStatistics, DispersionOfTheMeanOverSequences) {
  const AttentionStatistics statistics = two_sequences();
  // Only the queries of sequence 0, head 0, differ: {how many tokens, weight} of its first query.
  const std::vector<std::pair<double, double>> tokens = {{1, 0.30}, {1, 0.20}, {1, 0.10}, {14, 0.01}, {2, 0.13}};
  double variance = 0.0, norm = 0.0;
  for (const auto& [count, weight] : tokens) {
    variance += count * std::pow((weight - kEven) / 2.0, 2.0);
    norm += count * std::pow((weight + kEven) / 2.0, 2.0);
  }
  EXPECT_NEAR(statistics.at(2, 0, 0).dispersion, variance / norm / 2.0, 1e-6);
  EXPECT_NEAR(statistics.at(2, 0, 1).dispersion, 0.0, 1e-6);
}

TEST(AttentionStatistics, MemoryDoesNotGrowWithThePrompts) {
  const HandMade made;
  AttentionStatistics statistics = made.add_twice();
  const kernels::AttentionHead head{
      .queries = made.queries.data(),
      .query_stride = 1,
      .query_count = 2,
      .segments = {kernels::KeyValueSegment{made.history.data(), made.values.data(), 3, 1},
                   kernels::KeyValueSegment{made.map.data(), made.map_values.data(), 3, 1}}};
  const auto add = [&](int prompts) {
    for (int i = 0; i < prompts; ++i) statistics.add(2, 0, std::span(&head, 1));
    return ::mallinfo2().uordblks;
  };
  const std::size_t few = add(10);
  EXPECT_LE(add(5'000), few + std::size_t{16} * 1024);
  EXPECT_EQ(statistics.sequences(2, 0), 5'012);
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
