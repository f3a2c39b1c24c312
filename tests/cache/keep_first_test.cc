#include "cache/keep_first.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace scalekv::cache {
namespace {

// Keeps the tokens with the largest keys (of one channel), adds their numbers to what they have received, and folds
// into the first of those kept. Remembers nothing.
class LargestKeys final : public Selector {
 public:
  QueryForm query_form() const override { return QueryForm::attention; }
  bool accumulates() const override { return true; }
  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return last_window(facts.map.tokens(), static_cast<int>(facts.capacity));
  }
  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    EXPECT_EQ(input.history.count, facts.history);
    EXPECT_EQ(static_cast<std::int64_t>(kept.size()), facts.capacity);
    std::vector<float> keys(static_cast<std::size_t>(facts.tokens()));
    const float one = 1.0F;
    dot_cache(input, std::span(&one, 1), keys);
    for (std::int64_t j = 0; j < facts.history; ++j) {
      if (!input.received.empty()) input.received[static_cast<std::size_t>(j)] += static_cast<float>(input.origin(j));
    }
    const std::vector<std::int32_t> picked = largest(keys, facts.capacity);
    std::copy(picked.begin(), picked.end(), kept.begin());
  }
  std::int32_t fold_slot(const SelectionFacts&, const SelectionInput& input,
                         std::span<const std::int32_t> kept) const override {
    return input.folded.index >= 0 ? input.folded.index : kept.front();
  }
};

// A head with a history of 6 tokens and a map of 4.
struct Head {
  SelectionFacts facts{.scale = 2, .map = {2, 2}, .history = 6, .capacity = 0};
  std::vector<float> keys = {0, 5, 1, 2, 9, 3, 8, 4, 7, 6};
  SelectionInput input{
      .queries = {}, .history = {keys.data(), keys.data(), 6, 1}, .map = {keys.data() + 6, keys.data() + 6, 4, 1}};

  std::vector<std::int32_t> select(const Selector& selector, std::int64_t capacity) {
    facts.capacity = capacity;
    std::vector<std::int32_t> kept(static_cast<std::size_t>(capacity));
    selector.select(facts, input, kept);
    return kept;
  }
};

using Kept = std::vector<std::int32_t>;

TEST(KeepFirst, TheRestIsTheOtherSelectorsChoice) {
  const auto inner = std::make_shared<LargestKeys>();
  Head head;
  EXPECT_EQ(head.select(*inner, 4), (Kept{4, 6, 8, 9}));
  EXPECT_EQ(head.select(*keep_first(1, inner), 4), (Kept{0, 4, 6, 8}));
  EXPECT_EQ(head.select(*keep_first(3, inner), 4), (Kept{0, 1, 2, 4}));
  EXPECT_EQ(head.select(*keep_first(1, inner), 1), (Kept{0}));
  EXPECT_EQ(head.select(*keep_first(3, inner), 2), (Kept{0, 1}));
  EXPECT_EQ(head.select(*keep_first(0, inner), 4), (Kept{4, 6, 8, 9}));
}

TEST(KeepFirst, Composes) {
  Head head;
  const auto twice = keep_first(1, keep_first(2, std::make_shared<LargestKeys>()));
  EXPECT_EQ(head.select(*twice, 5), (Kept{0, 1, 2, 4, 6}));
  EXPECT_EQ(head.select(*twice, 2), (Kept{0, 1}));
}

TEST(KeepFirst, AsksForTheQueriesThatTheOtherWants) {
  const auto selector = keep_first(2, std::make_shared<LargestKeys>());
  EXPECT_EQ(selector->query_form(), QueryForm::attention);
  EXPECT_TRUE(selector->accumulates());
  SelectionFacts facts = Head().facts;
  facts.capacity = 5;
  EXPECT_EQ(selector->observed_queries(facts), (std::vector<std::int64_t>{1, 2, 3}));
  facts.capacity = 2;
  EXPECT_TRUE(selector->observed_queries(facts).empty());
}

TEST(KeepFirst, OriginsAndSumsStayWithTheirTokens) {
  const auto selector = keep_first(2, std::make_shared<LargestKeys>());
  Head head;
  std::vector<float> received(10, 0.0F);
  head.input.received = received;
  head.select(*selector, 4);
  EXPECT_EQ(received, (std::vector<float>{0, 0, 2, 3, 4, 5, 0, 0, 0, 0}));
  const std::vector<std::int32_t> origins = {0, 1, 10, 20, 30, 40};
  head.input.origins = origins;
  head.select(*selector, 4);
  EXPECT_EQ(received, (std::vector<float>{0, 0, 12, 23, 34, 45, 0, 0, 0, 0}));
}

TEST(KeepFirst, FoldsWhereTheOtherWouldAndNeverIntoAProtectedToken) {
  const auto selector = keep_first(2, std::make_shared<LargestKeys>());
  Head head;
  head.facts.capacity = 4;
  const Kept kept = {0, 1, 4, 6};
  EXPECT_EQ(selector->fold_slot(head.facts, head.input, kept), 4);
  head.input.folded = {.index = 5, .log_count = 1.0F};
  EXPECT_EQ(selector->fold_slot(head.facts, head.input, kept), 5);
  head.facts.capacity = 2;
  EXPECT_EQ(selector->fold_slot(head.facts, head.input, Kept{0, 1}), -1);
}

}  // namespace
}  // namespace scalekv::cache
