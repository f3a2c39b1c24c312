// The cache against plain lists of tokens: what it attends to, and what is left when it has kept, dropped and folded.
#include "cache/layer_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "cache/policy.h"
#include "runtime/philox.h"
#include "runtime/runtime.h"
#include "runtime/threads.h"

namespace scalekv::cache {
namespace {

const CacheGeometry kCached{
    .layers = 2, .heads = 3, .head_size = 4, .scales = {{1, 1}, {2, 2}, {3, 3}, {4, 5}, {6, 6}}};
constexpr std::int64_t kSequences = 4, kWidth = 3 * 4;

// Looks at all queries in their plain projection and expects to be given those; keeps the last tokens, and folds the
// others into the first of these.
class FoldingWindow final : public Selector {
 public:
  QueryForm query_form() const override { return QueryForm::projected; }
  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return {facts.map.tokens() - 1, 0};
  }
  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    ASSERT_EQ(input.queries.shape(), (Shape{2, 4}));
    // Projections are whole numbers, what attention uses is a tenth of them more.
    EXPECT_EQ(input.queries(0, 0), std::round(input.queries(0, 0)));
    const std::int64_t window = facts.capacity - (input.folded.index >= 0 ? 1 : 0);
    std::size_t written = 0;
    if (input.folded.index >= 0) kept[written++] = input.folded.index;
    for (std::int64_t j = facts.tokens() - window; j < facts.tokens(); ++j)
      kept[written++] = static_cast<std::int32_t>(j);
  }
  std::int32_t fold_slot(const SelectionFacts&, const SelectionInput& input,
                         std::span<const std::int32_t> kept) const override {
    return input.folded.index >= 0 ? input.folded.index : kept.front();
  }
};

struct HeldToken {
  std::vector<double> key, value;
  double count = 1.0;  // tokens that it stands for
};
using Held = std::vector<HeldToken>;

std::vector<double> plain_attention(const float* query, const Held& head) {
  std::vector<double> out(4, 0.0);
  double total = 0.0;
  for (const HeldToken& token : head) {
    double product = 0.0;
    for (std::size_t d = 0; d < 4; ++d) product += double{query[d]} * token.key[d];
    const double weight = token.count * std::exp(product);
    for (std::size_t d = 0; d < 4; ++d) out[d] += weight * token.value[d];
    total += weight;
  }
  for (double& number : out) number /= total;
  return out;
}

// What stays of a head, the others folded into the kept token at `place` where there is one.
Held left_of(const Held& head, std::span<const std::int32_t> kept, bool folds) {
  Held left;
  for (const std::int32_t index : kept) left.push_back(head[static_cast<std::size_t>(index)]);
  if (!folds || left.empty() || left.size() == head.size()) return left;
  HeldToken sum{std::vector<double>(4, 0.0), std::vector<double>(4, 0.0), 0.0};
  for (std::size_t j = 0; j < head.size(); ++j) {
    const bool stays = std::binary_search(kept.begin(), kept.end(), static_cast<std::int32_t>(j));
    if (stays && static_cast<std::int32_t>(j) != kept.front()) continue;  // folded into the first of those kept
    for (std::size_t d = 0; d < 4; ++d) {
      sum.key[d] += head[j].count * head[j].key[d];
      sum.value[d] += head[j].count * head[j].value[d];
    }
    sum.count += head[j].count;
  }
  for (std::size_t d = 0; d < 4; ++d) {
    sum.key[d] /= sum.count;
    sum.value[d] /= sum.count;
  }
  left.front() = sum;
  return left;
}

// Draws all scales in groups of two sequences and compares every output of attention with plain lists.
void run_and_compare(const Budget& budget, std::shared_ptr<const Selector> selector, bool folds) {
  std::map<std::tuple<int, std::int64_t, int>, Held> heads;
  const KeepPlan plan(kCached, budget);
  CacheObservers observers;
  int selections = 0;
  observers.selections = [&](int scale, int layer, std::int64_t sequence, int head,
                             std::span<const std::int32_t> kept) {
    ASSERT_EQ(std::ssize(kept), plan.after(scale, layer, head));
    Held& mine = heads[{layer, sequence, head}];
    mine = left_of(mine, kept, folds);
    ++selections;
  };
  KvCache cache(plan, std::move(selector), kSequences, std::vector<std::int64_t>(kCached.scales.size(), 2),
                kernels::KvPrecision::f32, observers);
  for (int scale = 0; scale < kCached.scale_count(); ++scale) {
    cache.begin_scale(scale);
    const std::int64_t tokens = kCached.map_tokens(scale);
    for (int layer = 0; layer < kCached.layers; ++layer) {
      for (std::int64_t first = 0; first < kSequences; first += 2) {
        Tensor rows(DType::f32, {2 * tokens, 3 * kWidth}, MemoryKind::other),
            out(DType::f32, {2 * tokens, kWidth}, MemoryKind::other);
        float* numbers = rows.view<float>().data();
        for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(rows.elements()); ++i) {
          const RandomSite site{i, static_cast<std::uint32_t>(scale), static_cast<std::uint32_t>(first),
                                static_cast<std::uint32_t>(layer)};
          numbers[i] = std::round(normal(9, site));
        }
        LayerCache mine(cache, layer, first, rows.view<float>());
        for (std::int64_t i = 0; i < rows.elements(); ++i) numbers[i] = 1.1F * numbers[i] + 0.01F;
        mine.append();
        mine.attend(out.view<float>());
        for (std::int64_t row = 0; row < 2 * tokens; ++row) {
          for (int head = 0; head < kCached.heads; ++head) {
            Held& list = heads[{layer, first + row / tokens, head}];
            const auto part = [&](std::int64_t which) {
              const float* begin = rows.view<float>().at(row, which * kWidth + head * 4);
              return std::vector<double>(begin, begin + 4);
            };
            list.push_back({part(1), part(2)});
          }
        }
        for (std::int64_t row = 0; row < 2 * tokens; ++row) {
          for (int head = 0; head < kCached.heads; ++head) {
            const std::vector<double> expected =
                plain_attention(rows.view<float>().at(row, head * 4), heads[{layer, first + row / tokens, head}]);
            for (std::int64_t d = 0; d < 4; ++d) {
              ASSERT_NEAR(out.view<float>()(row, head * 4 + d), expected[static_cast<std::size_t>(d)], 1e-4) << scale;
            }
          }
        }
        mine.keep();
      }
    }
  }
  EXPECT_GT(selections, 0);
}

TEST(LayerCache, AttendsToEverythingWhereNothingGoes) { run_and_compare(Budget(), nullptr, false); }

TEST(LayerCache, AttendsToWhatSelectionsLeft) {
  for (const char* name : {"scalekv", "h2o", "streaming-llm", "pyramidkv"}) {
    SCOPED_TRACE(name);
    const Policy policy = make_policy({.name = name, .share = 0.3}, kCached);
    run_and_compare(policy.budget, policy.selector, false);
  }
}

TEST(LayerCache, FoldedTokensWeighAsManyAsTheyStandFor) {
  const Budget budget(2, 3, 4, {{3, {5, 2, 4, 3, 1, 5}}, {4, {6, 3, 9, 2, 1, 7}}, {5, {11, 4, 9, 2, 1, 16}}});
  run_and_compare(budget, std::make_shared<FoldingWindow>(), true);
}

// Fails on one head of many.
class FailingSelector final : public Selector {
 public:
  void select(const SelectionFacts& facts, const SelectionInput&, std::span<std::int32_t> kept) const override {
    if (facts.head == 1) fail("head {} cannot be chosen from", facts.head);
    std::iota(kept.begin(), kept.end(), 0);
  }
};

// Heads are shared among the threads; whoever waits for them gets what one of them threw.
TEST(LayerCache, WhatASelectorThrowsReachesTheCaller) {
  const int before = threads();
  for (const int count : {1, 2}) {
    Runtime::current().set_threads(count);
    KvCache cache(KeepPlan(kCached, make_uniform_budget(kCached, 3)), std::make_shared<FailingSelector>(), kSequences,
                  std::vector<std::int64_t>(kCached.scales.size(), kSequences));
    const Tensor rows = Tensor::zeros<float>({kSequences * 4, 3 * kWidth}, MemoryKind::other);
    cache.begin_scale(0);
    LayerCache first(cache, 0, 0, rows.view<float>().slice(0, 0, kSequences));
    first.append();
    first.keep();
    cache.begin_scale(1);
    LayerCache second(cache, 0, 0, rows.view<float>());
    second.append();
    try {
      second.keep();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "head 1 cannot be chosen from");
    }
  }
  Runtime::current().set_threads(before);
}

}  // namespace
}  // namespace scalekv::cache
