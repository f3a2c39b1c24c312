#include "cache/rankings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <tuple>

#include "base/error.h"
#include "cache/budget_file.h"
#include "cache/keep_plan.h"

namespace scalekv::cache {
namespace {

std::vector<MapSize> square_scales(int count) {
  std::vector<MapSize> scales;
  for (const std::int64_t side : {1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64}) scales.push_back({side, side});
  scales.resize(static_cast<std::size_t>(count));
  return scales;
}

// The 1.250 schedule.
std::vector<MapSize> tall_scales(int count) {
  std::vector<MapSize> scales = {{1, 1},   {2, 2},   {3, 3},   {5, 4},   {10, 8},  {15, 12}, {20, 16},
                                 {25, 20}, {30, 24}, {35, 28}, {45, 36}, {55, 44}, {70, 56}};
  scales.resize(static_cast<std::size_t>(count));
  return scales;
}

// Rankings made by rule: steps that have no factor in common with any number of heads below.
Rankings stand_in(int layers, int heads) {
  Rankings rankings;
  for (const int step : {3, 9, 11, 13, 17, 19, 23, 27, 29}) {
    std::vector<int> order;
    const int first = 37 * static_cast<int>(rankings.size());
    for (int i = 0; i < layers * heads; ++i) order.push_back((i * step + first) % (layers * heads));
    rankings.push_back(std::move(order));
  }
  return rankings;
}

nlohmann::json as_published(const Rankings& rankings, int heads) {
  nlohmann::json lists = nlohmann::json::array();
  for (const std::vector<int>& order : rankings) {
    nlohmann::json list = nlohmann::json::array();
    for (const int number : order) list.push_back({number % heads, number / heads});
    lists.push_back(std::move(list));
  }
  return lists;
}

// (scale that does not find it, source scale, layer * heads + head)
using Gone = std::set<std::tuple<int, int, int>>;

Gone gone_of(const TokenPlan& plan, const CacheGeometry& geometry) {
  Gone gone;
  for (const auto& [number, row] : plan) {
    for (std::size_t head = 0; head < row.size(); ++head) {
      for (int source = 0; source < number - 1; ++source) {
        const auto first = row[head].begin() + geometry.tokens_before(source);
        const auto kept = std::count(first, first + geometry.map_tokens(source), true);
        EXPECT_TRUE(kept == 0 || kept == geometry.map_tokens(source)) << "a scale is kept whole or not at all";
        if (kept == 0) gone.insert({number - 1, source, static_cast<int>(head)});
      }
    }
  }
  return gone;
}

// The rule in its plainest form: sets of blocks, and every sum anew.
Gone gone_by_rule(const Rankings& rankings, const CacheGeometry& geometry, double share) {
  const int heads = geometry.layers * geometry.heads;
  const double allowed = std::max(1.0, share * static_cast<double>(geometry.history()));
  int first = 3;
  while (first > 1 && static_cast<double>(geometry.tokens_before(first)) > allowed) --first;
  using Block = std::pair<int, int>;  // source scale, head of all layers
  const auto order = [&](int source) { return rankings[static_cast<std::size_t>(std::max(source, 3) - 3)]; };
  const auto lost = [&](int scale) {  // before `scale` starts
    const auto before = static_cast<double>(geometry.tokens_before(scale));
    const double spare = before - static_cast<double>(geometry.tokens_before(first));
    const double exact = before <= allowed ? 0.0 : heads * (before - allowed) / spare;
    std::set<Block> blocks;
    for (int source = first; source < scale; ++source) {
      for (int i = 0; i < std::ceil(exact - 1e-9); ++i)
        blocks.insert({source, order(source)[static_cast<std::size_t>(i)]});
    }
    return blocks;
  };
  Gone gone;
  for (int scale = 1; scale < geometry.scale_count(); ++scale) {
    std::set<Block> now = lost(scale);
    const std::set<Block> next = scale + 1 < geometry.scale_count() ? lost(scale + 1) : now;
    std::set<Block> sooner;
    for (int layer = 0; layer < geometry.layers && scale + 1 < geometry.scale_count(); ++layer) {
      const auto held = [&] {  // when `layer` has stored the map of `scale` and those after it have not
        std::int64_t sum = 0;
        for (int source = 0; source <= scale; ++source) {
          for (int head = 0; head < heads; ++head) {
            const bool done = head / geometry.heads <= layer;
            if (source == scale && !done) continue;
            const Block block{source, head};
            const bool missing = done ? next.count(block) > 0 : now.count(block) + sooner.count(block) > 0;
            if (!missing) sum += geometry.map_tokens(source);
          }
        }
        return static_cast<double>(sum);
      };
      while (held() > heads * allowed + 1e-6) {
        const Block* best = nullptr;
        const auto rank = [&](const Block& block) {
          const std::vector<int> mine = order(block.first);
          return std::find(mine.begin(), mine.end(), block.second) - mine.begin();
        };
        for (const Block& block : next) {
          if (now.count(block) + sooner.count(block) > 0 || block.first == scale) continue;
          if (block.second / geometry.heads <= layer) continue;
          const auto key = [&](const Block& b) { return std::tuple(-(b.second / geometry.heads), -b.first, rank(b)); };
          if (best == nullptr || key(block) < key(*best)) best = &block;
        }
        if (best == nullptr) break;
        sooner.insert(*best);
      }
    }
    now.insert(sooner.begin(), sooner.end());
    for (const auto& [source, head] : now) gone.insert({scale, source, head});
  }
  return gone;
}

TEST(Rankings, PlanFollowsTheRule) {
  for (const auto& scales : {square_scales(13), square_scales(7), tall_scales(13), tall_scales(10)}) {
    const CacheGeometry geometry{.layers = 4, .heads = 4, .head_size = 8, .scales = scales};
    const Rankings rankings = stand_in(4, 4);
    for (const double share : {0.9, 0.65, 0.5, 0.4, 0.2, 0.1, 0.04, 0.02, 0.01, 0.003, 0.0001}) {
      EXPECT_EQ(gone_of(plan_rankings(rankings, geometry, share), geometry), gone_by_rule(rankings, geometry, share))
          << scales.size() << " scales, last " << scales.back().height << ", " << share;
    }
  }
}

// What the published code (arm-research/heatkv, tools/utils.py) makes of the same stand-ins: blocks that are gone when
// each of the 13 scales begins, and a sum over them.
TEST(Rankings, PlanIsThePublishedCodes) {
  struct Published {
    int layers, heads;
    double share;
    std::vector<int> gone;
    std::int64_t sum;
  };
  const std::vector<Published> cases = {
      // The map of scale index 10 makes blocks go at that scale, whose whole history would be within the budget.
      {32, 16, 0.40, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1559, 2781}, 405040643},
      {32, 16, 0.20, {0, 0, 0, 0, 0, 0, 0, 0, 0, 446, 1796, 2852, 3699}, 779932651},
      {32, 16, 0.10, {0, 0, 0, 0, 0, 0, 0, 0, 798, 1802, 2697, 3495, 4167}, 104717325},
      {32, 16, 0.04, {0, 0, 0, 0, 0, 0, 72, 1085, 1890, 2600, 3257, 3865, 4446}, 400895581},
      {32, 16, 0.02, {0, 0, 0, 0, 0, 0, 866, 1620, 2270, 2851, 3478, 4023, 4536}, 565776088},
      {32, 16, 0.01, {0, 0, 0, 0, 0, 584, 1282, 1897, 2471, 3016, 3528, 4056, 4581}, 664994072},
      {40, 28, 0.20, {0, 0, 0, 0, 0, 0, 0, 0, 0, 967, 3968, 6205, 8091}, 708130466},
      {40, 28, 0.10, {0, 0, 0, 0, 0, 0, 0, 0, 1743, 3906, 5900, 7623, 9108}, 241624240},
      {40, 28, 0.04, {0, 0, 0, 0, 0, 0, 151, 2368, 4155, 5674, 7118, 8450, 9711}, 665805941},
      {40, 28, 0.02, {0, 0, 0, 0, 0, 0, 1881, 3541, 4947, 6236, 7585, 8793, 9918}, 416018822},
      {40, 28, 0.01, {0, 0, 0, 0, 0, 1272, 2797, 4097, 5384, 6575, 7753, 8885, 10017}, 925089159},
  };
  for (const Published& published : cases) {
    const CacheGeometry geometry{published.layers, published.heads, 128, square_scales(13)};
    const TokenPlan plan = plan_rankings(stand_in(published.layers, published.heads), geometry, published.share);
    std::vector<int> gone(13, 0);
    std::int64_t sum = 0;
    for (const auto& [scale, source, head] : gone_of(plan, geometry)) {
      ++gone[static_cast<std::size_t>(scale)];
      sum = (sum + std::int64_t{scale * 31 + source} * (head + 1)) % 1'000'000'007;
    }
    EXPECT_EQ(gone, published.gone) << published.layers << " layers, " << published.share;
    EXPECT_EQ(sum, published.sum) << published.layers << " layers, " << published.share;
  }
}

// After every layer of every scale, whatever the budget: the sum over all layers.
TEST(Rankings, TheBudgetHoldsAfterEveryLayer) {
  BudgetFile file = parse_budgets(as_published(stand_in(32, 16), 16).dump(), "2b.json", 32, 16);
  for (const auto& scales : {square_scales(13), tall_scales(13), square_scales(10), tall_scales(7)}) {
    const CacheGeometry geometry{.layers = 32, .heads = 16, .head_size = 128, .scales = scales};
    for (const double share : {0.5, 0.2, 0.1, 0.07, 0.04, 0.01, 0.002, 0.00001}) {
      const Policy policy = make_policy(file, geometry, {"scalekv", share});
      EXPECT_EQ(policy.name, "heatkv");
      EXPECT_TRUE(policy.by_share);
      const KeepPlan plan(geometry, policy.budget);
      std::int64_t sum = 0, most = 0;
      for (int scale = 0; scale + 1 < geometry.scale_count(); ++scale) {
        for (int layer = 0; layer < 32; ++layer) {
          for (int head = 0; head < 16; ++head) sum += plan.after(scale, layer, head) - plan.before(scale, layer, head);
          most = std::max(most, sum);
        }
      }
      const double allowed = 32 * 16 * std::max(1.0, share * static_cast<double>(geometry.history()));
      EXPECT_LE(static_cast<double>(most), allowed) << share << " of " << scales.size() << " scales";
      EXPECT_GE(static_cast<double>(most), 0.9 * allowed - 512) << "and it is used";
    }
  }
}

TEST(Rankings, AWholeBudgetKeepsEverything) {
  const CacheGeometry geometry{.layers = 4, .heads = 4, .head_size = 8, .scales = square_scales(13)};
  const BudgetFile file = parse_budgets(as_published(stand_in(4, 4), 4).dump(), "o.json", 4, 4);
  EXPECT_TRUE(make_policy(file, geometry, {"scalekv", 1.0}).budget.unlimited());
}

TEST(Rankings, ReadsListsAndWhatHeatKvsToolWrites) {
  const Rankings rankings = stand_in(2, 7);
  const nlohmann::json lists = as_published(rankings, 7);
  EXPECT_EQ(parse_budgets(lists.dump(4), "o.json", 2, 7).rankings, rankings);
  const nlohmann::json written = {{"metadata", {{"sink_scales", 3}}}, {"orders", lists}};
  EXPECT_EQ(parse_budgets(written.dump(2), "o.json", 2, 7).rankings, rankings);
}

std::string refusal(const nlohmann::json& json, int layers = 2, int heads = 7) {
  try {
    parse_budgets(json.dump(), "o.json", layers, heads);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Rankings, DamagedFilesAreRefusedByListAndEntry) {
  const nlohmann::json good = as_published(stand_in(2, 7), 7);
  ASSERT_EQ(refusal(good), "");
  using Change = std::function<void(nlohmann::json&)>;
  const std::vector<std::pair<Change, const char*>> cases = {
      {[](auto& o) { o.erase(8); }, "8 lists in place of HeatKV's 9"},
      {[](auto& o) { o.push_back(o[0]); }, "10 lists in place of HeatKV's 9"},
      {[](auto& o) {
         o = {{"orders", 7}};
       },
       "no list in place of HeatKV's 9"},
      {[](auto& o) { o[3] = 7; }, "list 4 of 9: not a list of pairs"},
      {[](auto& o) { o[3] = nullptr; }, "list 4 of 9: not a list of pairs"},
      {[](auto& o) { o[2][6] = 7; }, "list 3 of 9, entry 7: 7 is not a pair [head, layer]"},
      {[](auto& o) { o[2][6].push_back(1); }, "list 3 of 9, entry 7: ["},
      {[](auto& o) { o[2][6][0] = -1; }, "list 3 of 9, entry 7: [-1,"},
      {[](auto& o) { o[2][6][0] = 1.5; }, "list 3 of 9, entry 7: [1.5,"},
      {[](auto& o) { o[2][6][1] = "1"; }, "list 3 of 9, entry 7: ["},
      {[](auto& o) { o[2][6][1] = 1e12; }, "list 3 of 9, entry 7: ["},
      {[](auto& o) { o[2][6][1] = 4000000000; }, "list 3 of 9, entry 7: ["},
      {[](auto& o) {
         o[8][13] = {7, 0};
       },
       "list 9 of 9, entry 14: head 7 of layer 0, but the model has 2 layers of 7"},
      {[](auto& o) {
         o[8][13] = {0, 2};
       },
       "list 9 of 9, entry 14: head 0 of layer 2, but the model has 2 layers of 7"},
      {[](auto& o) { o[1][9] = o[1][4]; }, "list 2 of 9, entry 10: head 3 of layer 0, which entry 5 names already"},
      {[](auto& o) { o[1].push_back(o[1][0]); },
       "list 2 of 9, entry 15: head 2 of layer 1, which entry 1 names already"},
      {[](auto& o) { o[0].erase(0); }, "list 1 of 9: 13 entries in place of 14, head 0 of layer 0 is missing"},
      {[](auto& o) { o[5] = nlohmann::json::array(); }, "list 6 of 9: 0 entries in place of 14, head 0 of layer 0"},
  };
  for (const auto& [change, expected] : cases) {
    nlohmann::json damaged = good;
    change(damaged);
    const std::string said = refusal(damaged);
    EXPECT_NE(said.find(expected), std::string::npos) << "expected: " << expected << "\nsaid: " << said;
    EXPECT_EQ(said.find("o.json"), 0U) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos);
  }
}

TEST(Rankings, AFileOfAnotherModelNamesBoth) {
  const auto said = [](int file_layers, int file_heads, int layers, int heads) {
    return refusal(as_published(stand_in(file_layers, file_heads), file_heads), layers, heads);
  };
  EXPECT_NE(said(32, 16, 40, 28).find("o.json is for 32 layers of 16 heads, the model has 40 of 28"),
            std::string::npos);
  EXPECT_NE(said(40, 28, 32, 16).find("o.json is for 40 layers of 28 heads, the model has 32 of 16"),
            std::string::npos);
  // As many heads in all.
  EXPECT_NE(said(16, 32, 32, 16).find("o.json is for 16 layers of 32 heads, the model has 32 of 16"),
            std::string::npos);
  EXPECT_EQ(said(32, 16, 32, 16), "");
}

}  // namespace
}  // namespace scalekv::cache
