// HeatKV by rankings, in whole generations: what is held is what was planned.
#include <gtest/gtest.h>

#include <set>

#include "cache/budget_file.h"
#include "support/small_generation.h"

namespace scalekv::engine {
namespace {

using testing::draw;
using testing::full_request;
using testing::same;
using testing::small_config;
using testing::small_transformer;
using testing::SmallRequest;

// Rankings of the small transformer's 4 layers of 3 heads, made by rule.
const cache::BudgetFile& small_rankings() {
  static const cache::BudgetFile file = [] {
    nlohmann::json lists = nlohmann::json::array();
    for (int list = 0; list < 9; ++list) {
      nlohmann::json order = nlohmann::json::array();
      for (int i = 0; i < 12; ++i) {
        const int number = (i * (list % 2 == 0 ? 5 : 7) + list) % 12;
        order.push_back({number % 3, number / 3});
      }
      lists.push_back(std::move(order));
    }
    return cache::parse_budgets(lists.dump(), "small.json", 4, 3);
  }();
  return file;
}

SmallRequest ranked_request(int images, double share, double aspect = 1.0) {
  SmallRequest made = full_request(0, images, "0.06M", aspect);
  made.policy =
      cache::make_policy(small_rankings(), infinity::cache_geometry(small_config(), made.schedule), {"scalekv", share});
  return made;
}

TEST(RankedPolicy, HoldsToTheByteWhatIsPlannedAndNoMoreThanTheBudgetAndOneMap) {
  using kernels::KvPrecision;
  constexpr KvPrecision kPrecisions[] = {KvPrecision::f32, KvPrecision::bf16, KvPrecision::int8};
  std::size_t turn = 0;
  for (const double share : {0.001, 0.01, 0.04, 0.10, 0.5}) {
    for (const double aspect : {1.0, 1.5, 1.0 / 3.0}) {
      SmallRequest made = ranked_request(2, share, aspect);
      made.kv = kPrecisions[turn++ % 3];
      const cache::CacheGeometry geometry = infinity::cache_geometry(small_config(), made.schedule);
      const cache::KeepPlan plan(geometry, made.policy.budget);
      const std::vector<std::int64_t> groups = infinity::sequence_groups(geometry.scales, 4);
      Observers observers;
      int selections = 0;
      observers.session.kept = [&](int scale, int layer, std::int64_t, int head, std::span<const std::int32_t> kept) {
        ++selections;
        EXPECT_EQ(static_cast<std::int64_t>(kept.size()), plan.after(scale, layer, head));
      };
      ledger().reset_peaks();
      const std::int64_t before = ledger().current(MemoryKind::kv);
      draw(small_transformer(), made, observers);
      EXPECT_GT(selections, 0);
      const std::int64_t peak = ledger().peak(MemoryKind::kv) - before;
      EXPECT_EQ(peak, cache::predict_kv_bytes(plan, 4, groups, made.kv).peak) << share << " at " << aspect;
      const std::int64_t token = 2 * geometry.head_size * kernels::kv_element_bytes(made.kv);
      const std::int64_t grids = geometry.heads * kernels::kv_grid_bytes(made.kv, geometry.head_size);
      const double allowed = std::max(1.0, share * static_cast<double>(geometry.history()));
      const double budget =
          4.0 * geometry.layers * (geometry.heads * allowed * static_cast<double>(token) + static_cast<double>(grids));
      const std::int64_t map = groups.back() * (geometry.heads * geometry.scales.back().tokens() * token + grids);
      EXPECT_LE(static_cast<double>(peak - map), budget) << share << " at " << aspect;
    }
  }
}

TEST(RankedPolicy, TheBudgetActsAndAWholeOneIsTheFullCache) {
  const Drawn whole = draw(small_transformer(), full_request(0, 1));
  const Tensor& full = whole.latents[0];
  const auto draw_share = [](double share) { return draw(small_transformer(), ranked_request(1, share)); };
  EXPECT_TRUE(same(full, draw_share(1.0).latents[0]));
  const Drawn tenth = draw_share(0.1), hundredth = draw_share(0.01);
  EXPECT_FALSE(same(full, tenth.latents[0]));
  EXPECT_FALSE(same(tenth.latents[0], hundredth.latents[0]));
  EXPECT_TRUE(same(tenth.latents[0], draw_share(0.1).latents[0]));
}

}  // namespace
}  // namespace scalekv::engine
