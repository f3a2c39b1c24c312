#include "cache/budget.h"

#include <gtest/gtest.h>

#include <tuple>

#include "base/error.h"
#include "cache/keep_plan.h"

namespace scalekv::cache {
namespace {

const std::vector<MapSize> kSquare = {{1, 1},   {2, 2},   {4, 4},   {6, 6},   {8, 8},   {12, 12}, {16, 16},
                                      {20, 20}, {24, 24}, {32, 32}, {40, 40}, {48, 48}, {64, 64}};

CacheGeometry geometry_2b() { return {.layers = 32, .heads = 16, .head_size = 128, .scales = kSquare}; }
CacheGeometry geometry_8b() { return {.layers = 40, .heads = 28, .head_size = 128, .scales = kSquare}; }

struct PublishedRow {
  int scale;
  std::int64_t min, max;
  std::vector<int> drafters;
};

void expect_rows(const CacheGeometry& geometry, const std::vector<PublishedRow>& published) {
  const auto rows = allocate_scale_budget(geometry, mean_tokens(0.10, geometry), default_drafters(geometry.layers));
  ASSERT_EQ(rows.size(), published.size());
  for (const PublishedRow& expected : published) {
    const ScaleBudget& row = rows.at(expected.scale);
    EXPECT_EQ(row.min, expected.min) << "scale " << expected.scale;
    EXPECT_EQ(row.max, expected.max) << "scale " << expected.scale;
    EXPECT_EQ(row.drafters, expected.drafters) << "scale " << expected.scale;
  }
}

TEST(Allocator, ReproducesThePublished2BTable) {
  expect_rows(geometry_2b(), {{9, 632, 920, {0, 23}},
                              {10, 594, 1490, {0, 23}},
                              {11, 526, 2510, {0, 23}},
                              {12, 420, 4100, {0, 23}},
                              {13, 465, 6385, {0}}});
}

TEST(Allocator, ReproducesThePublished8BTable) {
  expect_rows(geometry_8b(), {{9, 629, 909, {0, 1, 2}},
                              {10, 584, 1464, {0, 1, 2}},
                              {11, 503, 2463, {0, 1, 2}},
                              {12, 374, 4054, {0, 1, 2}},
                              {13, 200, 6200, {0, 1, 2}}});
}

TEST(Allocator, EveryRowSpendsExactlyTheMean) {
  for (const int layers : {3, 6, 12, 16, 24, 32, 40, 48}) {
    for (const double share : {0.01, 0.04, 0.10, 0.20, 0.37, 0.5}) {
      for (const std::size_t scales : {7U, 10U, 12U, 13U}) {
        const CacheGeometry geometry{layers, 4, 16, {kSquare.begin(), kSquare.begin() + static_cast<int>(scales)}};
        const std::int64_t mean = mean_tokens(share, geometry);
        for (const auto& [scale, row] : allocate_scale_budget(geometry, mean, default_drafters(layers))) {
          const auto drafters = static_cast<std::int64_t>(row.drafters.size());
          EXPECT_EQ(drafters * row.max + (layers - drafters) * row.min, layers * mean) << layers << " " << scale;
          EXPECT_GE(row.max, row.min);
          EXPECT_GE(row.min, 1);
        }
      }
    }
  }
}

TEST(MeanTokens, PublishedAndProportional) {
  EXPECT_EQ(mean_tokens(0.20, geometry_2b()), 1300);
  EXPECT_EQ(mean_tokens(0.10, geometry_2b()), 650);
  EXPECT_EQ(mean_tokens(0.04, geometry_2b()), 265);
  EXPECT_EQ(mean_tokens(0.01, geometry_2b()), 65);
  EXPECT_EQ(mean_tokens(0.50, geometry_2b()), 3213);
  const CacheGeometry small{6, 4, 48, {kSquare.begin(), kSquare.begin() + 7}};
  EXPECT_EQ(mean_tokens(0.10, small), 27);  // of 265
}

TEST(ParseShare, AcceptsAndRefuses) {
  EXPECT_DOUBLE_EQ(parse_share("10%"), 0.10);
  EXPECT_DOUBLE_EQ(parse_share("0.04"), 0.04);
  EXPECT_DOUBLE_EQ(parse_share("100%"), 1.0);
  EXPECT_DOUBLE_EQ(parse_share(" +.5e1%"), 0.05);
  EXPECT_DOUBLE_EQ(parse_share("full"), 1.0);
  for (const char* bad : {"", "%", "abc", "0%", "0", "101%", "1.01", "-5%", "nan", "inf%", "10%%", "10 %", "1e999",
                          "0x1", "10x", " ", "+-1"}) {
    EXPECT_THROW(static_cast<void>(parse_share(bad)), UsageError) << bad;
  }
}

TEST(Budget, RefusesWhatDoesNotFit) {
  EXPECT_THROW(Budget(2, 2, 10, {{3, {1, 2, 3}}}), Error);
  EXPECT_THROW(Budget(1, 2, 10, {{3, {5, 0}}}), Error);
  const Budget budget(1, 2, 10, {{7, {5, 6}}, {9, {7, 8}}});
  EXPECT_EQ(budget.capacity_after(5, 0, 1), 6);
  EXPECT_EQ(budget.capacity_after(40, 0, 0), 7);                           // rows past the last count as the last
  EXPECT_THROW(static_cast<void>(budget.capacity_after(6, 0, 0)), Error);  // row 8 is missing
  EXPECT_THROW(budget.check_fits(geometry_2b()), Error);
}

// MiB, rounded down as in the paper's table. share: of scalekv with the published drafters; 1 is the full cache.
std::int64_t paper_figure(const CacheGeometry& geometry, double share) {
  Budget budget;
  if (share < 1.0) {
    const std::int64_t mean = mean_tokens(share, geometry);
    budget = make_scale_budget(geometry.layers, geometry.heads, mean,
                               allocate_scale_budget(geometry, mean, default_drafters(geometry.layers)));
  }
  return static_cast<std::int64_t>(paper_kv_mebibytes(KeepPlan(geometry, budget)));
}

TEST(PaperAccounting, ReproducesAllEightFigures) {
  EXPECT_EQ(paper_figure(geometry_2b(), 1.0), 38550);
  EXPECT_EQ(paper_figure(geometry_2b(), 0.20), 7800);
  EXPECT_EQ(paper_figure(geometry_2b(), 0.10), 3900);
  EXPECT_EQ(paper_figure(geometry_2b(), 0.04), 1590);
  EXPECT_EQ(paper_figure(geometry_8b(), 1.0), 84328);
  EXPECT_EQ(paper_figure(geometry_8b(), 0.20), 17062);
  EXPECT_EQ(paper_figure(geometry_8b(), 0.10), 8531);
  EXPECT_EQ(paper_figure(geometry_8b(), 0.04), 3478);
}

TEST(Drafters, AsManyAsPublished) {
  EXPECT_EQ(drafter_count(32), 2);
  EXPECT_EQ(drafter_count(40), 3);
  EXPECT_EQ(drafter_count(6), 1);
}

TEST(KeepPlan, FollowsThePublishedRule) {
  const CacheGeometry geometry = geometry_2b();
  const auto rows = allocate_scale_budget(geometry, 650, default_drafters(32));
  const KeepPlan plan(geometry, make_scale_budget(32, 16, 650, rows), true);
  EXPECT_EQ(plan.after(6, 0, 0), 521);  // within the base: all
  EXPECT_EQ(plan.after(7, 0, 3), 920);  // 921 held, row 9
  EXPECT_EQ(plan.after(7, 5, 3), 632);
  EXPECT_EQ(plan.after(11, 0, 0), 6385);
  EXPECT_EQ(plan.after(11, 23, 0), 465);  // no drafter any more in row 13
  EXPECT_EQ(plan.after(12, 7, 0), 465);   // the reference compresses once more, by the last row
  EXPECT_TRUE(plan.keeps_all(6, 0));
  EXPECT_FALSE(plan.keeps_all(7, 0));
  const KeepPlan lean(geometry, make_scale_budget(32, 16, 650, rows));
  EXPECT_EQ(lean.after(12, 7, 0), 0);
  EXPECT_EQ(lean.before(12, 7, 0), 465);
}

// By hand: all stays while it is no more than the base of 5, and exactly 5 is no more. From the first time on that it
// was more, the rows count, also where a layer holds less than the base again. Row s + 2 holds after scale s.
TEST(KeepPlan, TheBaseCountsUntilItIsExceeded) {
  const CacheGeometry geometry{
      .layers = 1, .heads = 1, .head_size = 1, .scales = {{1, 1}, {2, 2}, {3, 3}, {2, 2}, {5, 5}}};
  const KeepPlan plan(geometry, Budget(1, 1, 5, {{3, {3}}, {4, {1}}, {5, {2}}}));
  const std::int64_t expected[] = {1, 5, 1, 2, 0};
  for (int scale = 0; scale < 5; ++scale) EXPECT_EQ(plan.after(scale, 0, 0), expected[scale]) << scale;
}

// Where the drafter would take more than there is, refiners keep 200 tokens, or 200/650 of a mean below 650 (31 of
// 100), and it has the rest: 4 x 1000 - 3 x 200, 4 x 100 - 3 x 31.
TEST(Allocator, RefinersKeepTheirFloor) {
  const CacheGeometry geometry{.layers = 4, .heads = 1, .head_size = 1, .scales = {{100, 100}, {1, 1}}};
  for (const auto& [mean, min, max] : {std::tuple{1000, 200, 3400}, {100, 31, 307}}) {
    const ScaleBudget row = allocate_scale_budget(geometry, mean, {{1, {0}}}).at(2);
    EXPECT_EQ(row.min, min) << mean;
    EXPECT_EQ(row.max, max) << mean;
  }
}

// A history of exactly the mean is not compressed: with 5 tokens before the third of these maps and 14 before the
// fourth, a mean of 5 begins with row 4.
TEST(Allocator, BeginsWhereTheHistoryExceedsTheMean) {
  const CacheGeometry geometry{.layers = 4, .heads = 1, .head_size = 1, .scales = {{1, 1}, {2, 2}, {3, 3}, {4, 4}}};
  for (const auto& [mean, first] : {std::pair{4, 3}, {5, 4}, {13, 4}}) {
    EXPECT_EQ(allocate_scale_budget(geometry, mean, {{1, {0}}}).begin()->first, first) << mean;
  }
}

// The published tables change drafters and budgets between rows, layer by layer: while the first layers already hold
// the next row and the last ones still this one, the cache may stand above the sum of either row (docs/ALGORITHM.md).
TEST(KeepPlan, PeakOf2BIsTheStepBetweenItsLastRows) {
  const CacheGeometry geometry = geometry_2b();
  const auto rows = allocate_scale_budget(geometry, 650, default_drafters(32));
  const KeepPlan plan(geometry, make_scale_budget(32, 16, 650, rows));
  const std::vector<std::int64_t> group(13, 1);
  const std::int64_t token = 2 * 16 * 128 * 4;
  const KvBytes bytes = predict_kv_bytes(plan, 2, group, kernels::KvPrecision::f32);
  EXPECT_EQ(bytes.final, 2 * 32 * 650 * token);
  EXPECT_EQ(bytes.peak, (2 * (6385 + 22 * 465 + 4100 + 8 * 420) + 48 * 48) * token);
  const KeepPlan full(geometry, Budget());
  EXPECT_EQ(predict_kv_bytes(full, 2, group, kernels::KvPrecision::f32).peak, (2 * 32 * 6425 + 4096) * token);
}

TEST(KeepPlan, PeakOf8BIsTheStepBetweenItsLastRows) {
  const CacheGeometry geometry = geometry_8b();
  const auto rows = allocate_scale_budget(geometry, 650, default_drafters(40));
  const KeepPlan plan(geometry, make_scale_budget(40, 28, 650, rows));
  const std::int64_t token = 2 * 28 * 128 * 4;
  const KvBytes bytes = predict_kv_bytes(plan, 2, std::vector<std::int64_t>(13, 1), kernels::KvPrecision::f32);
  EXPECT_EQ(bytes.final, 2 * 40 * 650 * token);
  EXPECT_EQ(bytes.peak, (2 * (3 * 6200 + 37 * 374) + 48 * 48) * token);
}

// Share of what the reference holds (10,521 tokens a layer in bf16, both guidance halves), one layer's current map
// included.
double share_of_reference(const CacheGeometry& geometry, kernels::KvPrecision precision) {
  const auto rows = allocate_scale_budget(geometry, 650, default_drafters(geometry.layers));
  const KeepPlan plan(geometry, make_scale_budget(geometry.layers, geometry.heads, 650, rows));
  const std::int64_t reference =
      std::int64_t{2} * geometry.layers * 10521 * 2 * geometry.heads * geometry.head_size * 2;
  const KvBytes bytes = predict_kv_bytes(plan, 2, std::vector<std::int64_t>(13, 1), precision);
  return static_cast<double>(bytes.peak) / static_cast<double>(reference);
}

TEST(KeepPlan, TenPercentAgainstTheReferencesCache) {
  EXPECT_NEAR(share_of_reference(geometry_2b(), kernels::KvPrecision::f32), 0.1499, 5e-5);
  for (const CacheGeometry& geometry : {geometry_2b(), geometry_8b()}) {
    EXPECT_LT(share_of_reference(geometry, kernels::KvPrecision::bf16), 0.08);
    EXPECT_LT(share_of_reference(geometry, kernels::KvPrecision::int8), 0.04);
  }
}

}  // namespace
}  // namespace scalekv::cache
