#include "cache/adaptive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cache/fold.h"
#include "cache/regions.h"

namespace scalekv::cache {
namespace {

const CacheGeometry kAdaptiveGeometry{
    .layers = 2, .heads = 2, .head_size = 1, .scales = {{1, 1}, {2, 2}, {3, 3}, {4, 4}}};

// Removing token j of head h does harm (h + 1) x (j + 1), at every scale alike.
AttentionStatistics rising_harm(const CacheGeometry& geometry) {
  AttentionStatistics statistics(geometry);
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    for (int head = 0; head < geometry.layers * geometry.heads; ++head) {
      HeadStatistics means;
      means.received.resize(static_cast<std::size_t>(scale));
      means.lost.resize(kept_grid(geometry.tokens_before(scale)).size());
      for (std::size_t j = 0; j < removal_regions(geometry, scale); ++j) {
        means.removal.push_back(static_cast<double>((head + 1) * static_cast<int>(j + 1)));
      }
      statistics.set(scale, head / geometry.heads, head % geometry.heads, means, 1);
    }
  }
  return statistics;
}

std::int64_t count(const std::vector<bool>& kept) { return std::count(kept.begin(), kept.end(), true); }

TEST(PlanTokens, GivesTheBudgetToTheMostHarmful) {
  const TokenPlan plan = plan_tokens(rising_harm(kAdaptiveGeometry), kAdaptiveGeometry, 4);
  ASSERT_EQ(plan.size(), 2U);  // histories of 5 and 14; 1 is within the mean
  const auto& last = plan.at(4);
  // 4 heads x (4 - 1 for the folded token) are 12, of harms 4 x 14, 4 x 13, ..., 3 x 14, ...
  EXPECT_EQ(count(last[3]), 7);
  EXPECT_EQ(count(last[2]), 5);
  EXPECT_EQ(count(last[1]) + count(last[0]), 0);
  for (const auto& [number, heads] : plan) {
    std::int64_t sum = 0;
    for (const std::vector<bool>& kept : heads) sum += count(kept) + 1;
    EXPECT_EQ(sum, 16) << number;
  }
}

// Of five tokens the first two are kept for the third map's sake, where they do harm 9 each. The third would be the one
// to keep for the last map, where it alone does harm; but it is gone.
TEST(PlanTokens, WhatIsGoneStaysGone) {
  CacheGeometry one = kAdaptiveGeometry;
  one.layers = one.heads = 1;
  AttentionStatistics statistics = rising_harm(one);
  const auto set_harm = [&](int scale, const std::vector<double>& of_first_tokens) {
    HeadStatistics means = statistics.at(scale, 0, 0);
    std::fill(means.removal.begin(), means.removal.end(), 0.0);
    std::copy(of_first_tokens.begin(), of_first_tokens.end(), means.removal.begin());
    statistics.set(scale, 0, 0, means, 1);
  };
  set_harm(2, {9, 9, 0, 0, 0});
  set_harm(3, {0, 0, 5});
  const TokenPlan plan = plan_tokens(statistics, one, 3);
  const std::vector<bool> first_two = {true, true, false, false, false};
  EXPECT_EQ(plan.at(3)[0], first_two);
  EXPECT_EQ(std::vector(plan.at(4)[0].begin(), plan.at(4)[0].begin() + 5), first_two);
  EXPECT_EQ(count(plan.at(4)[0]), 2);
}

TEST(PlanTokens, OneTokenAHeadIsTheFirst) {
  for (const auto& [number, heads] : plan_tokens(rising_harm(kAdaptiveGeometry), kAdaptiveGeometry, 1)) {
    for (const std::vector<bool>& kept : heads) EXPECT_TRUE(kept[0] && count(kept) == 1) << number;
  }
  EXPECT_FALSE(folds(1));
}

// A map of 3 x 4 in regions of 3 x 3: of its last row the first two tokens, positions 15 and 16, are one region, of
// harm 12 in head 0, then 13 and 14 for one token each. Ranked: head 3's 56, 52 and 48 (two tokens), 44, head 2's 42,
// head 3's 40, head 2's 39 and 36 (two), head 3's 36 (two): 12 tokens.
TEST(PlanTokens, RegionsOfAnotherAspectHaveMoreTokens) {
  CacheGeometry wide = kAdaptiveGeometry;
  wide.scales = {{1, 1}, {2, 3}, {3, 4}, {4, 6}};
  const TokenPlan plan = plan_tokens(rising_harm(kAdaptiveGeometry), wide, 4);
  const auto kept = [&](std::size_t head) {
    std::vector<int> positions;
    for (int token = 0; token < 19; ++token) {
      if (plan.at(4)[head][static_cast<std::size_t>(token)]) positions.push_back(token);
    }
    return positions;
  };
  EXPECT_EQ(kept(3), (std::vector<int>{11, 12, 13, 14, 15, 16, 17, 18}));
  EXPECT_EQ(kept(2), (std::vector<int>{15, 16, 17, 18}));
  EXPECT_TRUE(kept(1).empty() && kept(0).empty());
}

// One head of one layer, values of one number. Places 1, 2, 3 and 4 of the history do harm 2, 3, 4 and 5.
class AdaptiveSelectorTest : public testing::Test {
 protected:
  static std::shared_ptr<const Calibration> calibration() {
    CacheGeometry one = kAdaptiveGeometry;
    one.layers = one.heads = 1;
    return std::make_shared<Calibration>(Calibration{.model = "", .prompts = 1, .statistics = rising_harm(one)});
  }
  // Of the tokens of the first two maps, whose values these are, when the second has been drawn.
  std::vector<std::int32_t> select(const std::vector<float>& values, std::int64_t capacity, bool folds,
                                   FoldedToken folded = {}) {
    const auto measured = calibration();
    const auto selector = make_adaptive_selector(measured->statistics.geometry(), measured, folds);
    const std::vector<float> keys(values.size(), 1.0F);
    const SelectionFacts facts{.scale = 1, .layer = 0, .head = 0, .map = {2, 2}, .history = 1, .capacity = capacity};
    SelectionInput input{.queries = {},
                         .history = {keys.data(), values.data(), 1, 1},
                         .map = {keys.data() + 1, values.data() + 1, 4, 1}};
    input.folded = folded;
    input.head_size = 1;
    std::vector<std::int32_t> kept(static_cast<std::size_t>(capacity));
    selector->select(facts, input, kept);
    slot_ = selector->fold_slot(facts, input, kept);
    return kept;
  }
  std::int32_t slot_ = -1;
};

TEST_F(AdaptiveSelectorTest, EqualValuesAreToldApartByTheirPlace) {
  // Mean 0: all as far from it.
  EXPECT_EQ(select({2, -1, 1, -1, -1}, 2, true), (std::vector<std::int32_t>{0, 4}));  // harms 1 x 4, 2, 3, 4, 5
  EXPECT_EQ(slot_, 0);
}

TEST_F(AdaptiveSelectorTest, AValueThatTheMeanCannotStandForStays) {
  EXPECT_EQ(select({0, 10, 0, 0, 0}, 2, true), (std::vector<std::int32_t>{1, 4}));  // mean 2: 4, 128, 12, 16, 20
  EXPECT_EQ(slot_, 4);
}

TEST_F(AdaptiveSelectorTest, TheFoldedTokenStaysAndWeighsAsManyAsItStandsFor) {
  // Token 0 stands for 6 of value 1: mean 1.5, distances .25, 6.25, 2.25, 6.25, 2.25 of harms -, 2, 3, 4, 5.
  EXPECT_EQ(select({1, 4, 3, 4, 0}, 2, true, {0, std::log(6.0F)}), (std::vector<std::int32_t>{0, 3}));
  EXPECT_EQ(slot_, 0);
}

TEST_F(AdaptiveSelectorTest, WithoutFoldingTheFirstTokenStays) {
  EXPECT_EQ(select({2, 100, 2, 2, 2}, 1, false), (std::vector<std::int32_t>{0}));
  EXPECT_EQ(slot_, -1);
}

// A picture of two scales less than were measured: what those would have lost does not count.
TEST(HarmOfRemoval, IsThatOfTheScalesToCome) {
  const AttentionStatistics statistics = rising_harm(kAdaptiveGeometry);
  EXPECT_EQ(harm_of_removal(statistics, 1, 1, 4), (std::vector<double>{6}));  // head 1, token 0: 2 at each of 3 scales
  EXPECT_EQ(harm_of_removal(statistics, 1, 1, 2), (std::vector<double>{2}));
}

TEST(Regions, CoverTheMap) {
  const MapSize map{12, 10};
  std::vector<int> tokens(static_cast<std::size_t>(region_count(map)), 0);
  for (std::int64_t position = 0; position < map.tokens(); ++position) {
    ++tokens[static_cast<std::size_t>(region_of(position, map, map))];
  }
  EXPECT_EQ(tokens.size(), 64U);
  EXPECT_GE(*std::min_element(tokens.begin(), tokens.end()), 1);
  EXPECT_LE(*std::max_element(tokens.begin(), tokens.end()), 4);
}

TEST(FoldDropped, TakesMeansAndCounts) {
  const std::vector<float> keys = {1, 2, 3, 4, 5}, values = {10, 20, 30, 40, 50};
  const SelectionInput input{.queries = {},
                             .history = {keys.data(), values.data(), 3, 1},
                             .map = {keys.data() + 3, values.data() + 3, 2, 1},
                             .head_size = 1};
  const std::vector<std::int32_t> kept = {0, 1, 4};
  const Fold fold = fold_dropped(input, kept, 1);  // tokens 1, 2 and 3
  EXPECT_FLOAT_EQ(fold.key[0], 3.0F);
  EXPECT_FLOAT_EQ(fold.value[0], 30.0F);
  EXPECT_FLOAT_EQ(fold.log_count, std::log(3.0F));
}

TEST(FoldDropped, FoldingTwiceIsFoldingOnce) {
  // Token 0 already stands for 4 tokens of mean 2.
  const std::vector<float> keys = {2, 7, 9}, values = {2, 7, 9};
  SelectionInput input{
      .queries = {}, .history = {keys.data(), values.data(), 2, 1}, .map = {keys.data() + 2, values.data() + 2, 1, 1}};
  input.folded = {0, std::log(4.0F)};
  input.head_size = 1;
  const std::vector<std::int32_t> kept = {0, 2};
  const Fold fold = fold_dropped(input, kept, 0);
  EXPECT_NEAR(fold.key[0], (4 * 2 + 7) / 5.0, 1e-6);
  EXPECT_NEAR(fold.log_count, std::log(5.0), 1e-6);
}

// Attention to equal tokens is the same whether they are folded or not.
TEST(FoldDropped, EqualTokensLoseNothing) {
  const std::vector<float> keys = {0.5F, 1.5F, 1.5F, 1.5F}, values = {3.0F, -1.0F, -1.0F, -1.0F};
  const std::vector<float> queries = {1.0F, -2.0F};
  const SelectionInput input{.queries = {}, .history = {keys.data(), values.data(), 4, 1}, .map = {}, .head_size = 1};
  const std::vector<std::int32_t> kept = {0, 1};
  const Fold fold = fold_dropped(input, kept, 1);
  const std::vector<float> short_keys = {keys[0], fold.key[0]}, short_values = {values[0], fold.value[0]};
  const std::vector<float> bias = {0.0F, fold.log_count};
  std::vector<float> whole(2), folded(2);
  const kernels::AttentionHead of_all{.queries = queries.data(),
                                      .query_stride = 1,
                                      .query_count = 2,
                                      .segments = {input.history, kernels::KeyValueSegment{}},
                                      .out = whole.data(),
                                      .out_stride = 1};
  kernels::AttentionHead of_folded = of_all;
  of_folded.segments[0] = {short_keys.data(), short_values.data(), 2, 1};
  of_folded.bias = bias.data();  // the same for every query: stride 0
  of_folded.out = folded.data();
  kernels::attention(std::span(&of_all, 1), 1, 1.0F);
  kernels::attention(std::span(&of_folded, 1), 1, 1.0F);
  EXPECT_NEAR(whole[0], folded[0], 1e-5);
  EXPECT_NEAR(whole[1], folded[1], 1e-5);
}

}  // namespace
}  // namespace scalekv::cache
