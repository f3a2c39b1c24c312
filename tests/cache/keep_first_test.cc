#include "cache/selector.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace scalekv::cache {
namespace {

// Keeps the tokens with the largest values (of one channel), which it adds up, or folds what it drops.
class LargestValues final : public Selector {
 public:
  explicit LargestValues(bool folds = false) : folds_(folds) {}
  std::optional<ScoreRule> rule(const SelectionFacts&) const override {
    return ScoreRule{.score = ScoreRule::Score::value_length, .folds = folds_};
  }
  QueryForm query_form() const override { return QueryForm::attention; }
  bool accumulates() const override { return !folds_; }
  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    return last_window(facts.map.tokens(), static_cast<int>(facts.capacity));
  }

 private:
  bool folds_;
};

// A head with a history of 6 tokens and a map of 4.
struct Head {
  SelectionFacts facts{.scale = 2, .map = {2, 2}, .history = 6, .capacity = 0};
  std::vector<float> keys = {0, 5, 1, 2, 9, 3, 8, 4, 7, 6};
  std::vector<float> received = std::vector<float>(10, 0.0F);
  SelectionInput input{.queries = {},
                       .history = {keys.data(), keys.data(), 6, 1},
                       .map = {keys.data() + 6, keys.data() + 6, 4, 1},
                       .received = received,
                       .head_size = 1};

  std::vector<std::int32_t> select(const Selector& selector, std::int64_t capacity) {
    facts.capacity = capacity;
    std::fill(received.begin(), received.end(), 0.0F);
    std::vector<std::int32_t> kept(static_cast<std::size_t>(capacity));
    selector.select(facts, input, kept);
    return kept;
  }
};

using Kept = std::vector<std::int32_t>;

TEST(KeepFirst, TheRestIsTheOtherSelectorsChoice) {
  const auto inner = std::make_shared<LargestValues>();
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
  const auto twice = keep_first(1, keep_first(2, std::make_shared<LargestValues>()));
  EXPECT_EQ(head.select(*twice, 5), (Kept{0, 1, 2, 4, 6}));
  EXPECT_EQ(head.select(*twice, 2), (Kept{0, 1}));
}

TEST(KeepFirst, AsksForTheQueriesThatTheOtherWants) {
  const auto selector = keep_first(2, std::make_shared<LargestValues>());
  EXPECT_EQ(selector->query_form(), QueryForm::attention);
  EXPECT_TRUE(selector->accumulates());
  SelectionFacts facts = Head().facts;
  facts.capacity = 5;
  EXPECT_EQ(selector->observed_queries(facts), (std::vector<std::int64_t>{1, 2, 3}));
  facts.capacity = 2;
  EXPECT_TRUE(selector->observed_queries(facts).empty());
}

TEST(KeepFirst, SumsStayWithTheirTokens) {
  Head head;
  head.select(*keep_first(2, std::make_shared<LargestValues>()), 4);
  EXPECT_EQ(head.received, (std::vector<float>{0, 0, 1, 2, 9, 3, 8, 4, 7, 6}));
}

TEST(KeepFirst, FoldsWhereTheOtherWouldAndNeverIntoAProtectedToken) {
  const auto selector = keep_first(2, std::make_shared<LargestValues>(true));
  Head head;
  head.facts.capacity = 4;
  const Kept kept = {0, 1, 4, 6};
  EXPECT_EQ(selector->fold_slot(head.facts, head.input, kept), 6);  // the lesser of 9 and 8
  head.input.folded = {.index = 5, .log_count = 1.0F};
  EXPECT_EQ(selector->fold_slot(head.facts, head.input, kept), 5);
  head.facts.capacity = 2;
  EXPECT_EQ(selector->fold_slot(head.facts, head.input, Kept{0, 1}), -1);
}

}  // namespace
}  // namespace scalekv::cache
