// Declared selectors against a plain reading of what they declare, bare and behind keep_first.
#include "cache/score_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cache/adaptive.h"
#include "cache/policy.h"
#include "cache/selector.h"
#include "runtime/philox.h"

namespace scalekv::cache {
namespace {

constexpr std::int64_t kSize = 6;
const CacheGeometry kRuleGeometry{
    .layers = 1, .heads = 2, .head_size = kSize, .scales = {{1, 1}, {2, 2}, {3, 4}, {6, 6}, {8, 8}}};

// Random means; head 1 is the more dispersed one.
std::shared_ptr<const Calibration> random_calibration() {
  auto made = std::make_shared<Calibration>(Calibration{"toy", 1, AttentionStatistics(kRuleGeometry)});
  std::uint32_t drawn = 0;
  const auto draw = [&](std::size_t count) {
    std::vector<double> numbers(count);
    for (double& number : numbers) number = double{uniform(3, {drawn++, 0, 0, 0})};
    return numbers;
  };
  for (int scale = 0; scale < kRuleGeometry.scale_count(); ++scale) {
    for (int head = 0; head < 2; ++head) {
      const std::vector<double> received = draw(static_cast<std::size_t>(scale));
      const std::size_t lost = kept_grid(kRuleGeometry.tokens_before(scale)).size();
      made->statistics.set(scale, 0, head,
                           {.dispersion = 0.1 + head,
                            .received = received,
                            .lost = draw(lost),
                            .removal = draw(removal_regions(kRuleGeometry, scale))},
                           1);
    }
  }
  return made;
}

struct Declared {
  std::string name;
  std::shared_ptr<const Selector> selector;
  int head = 0;
};

std::vector<Declared> declared_selectors() {
  const auto calibration = random_calibration();
  const auto of_policy = [&](const char* name) {
    const bool calibrated = needs_calibration(name);
    return make_policy({.name = name, .share = 0.3, .calibration = calibrated ? calibration : nullptr}, kRuleGeometry)
        .selector;
  };
  return {{"reference", make_reference_selector(), 0},
          {"reference, even average", make_reference_selector({.window = 4, .pool = 4, .average = true}), 0},
          {"attention", make_attention_selector({.window = 9}), 0},
          {"snapkv", of_policy("snapkv"), 0},
          {"pyramidkv", of_policy("pyramidkv"), 0},
          {"h2o", of_policy("h2o"), 0},
          {"hack, contextual", of_policy("hack"), 0},
          {"hack, structural", of_policy("hack"), 1},
          {"adaptive", make_adaptive_selector(kRuleGeometry, calibration, false), 0},
          {"adaptive, folding", make_adaptive_selector(kRuleGeometry, calibration, true), 1}};
}

// A head's tokens in plain lists, as they are when the map of 6 x 6 has come: some of the 17 tokens before it are gone.
struct Tokens {
  SelectionFacts facts{.scale = 3, .map = {6, 6}, .history = 12};
  std::vector<std::int32_t> places = {0, 1, 2, 4, 5, 7, 8, 9, 10, 12, 14, 16};
  std::vector<std::vector<float>> keys, values, queries;
  std::vector<float> received;
  FoldedToken folded;

  explicit Tokens(const Declared& declared, std::int64_t capacity) {
    facts.head = declared.head;
    facts.capacity = capacity;
    for (std::int32_t i = 0; i < 36; ++i) places.push_back(17 + i);
    const auto row = [](std::uint32_t number, std::uint32_t what) {
      std::vector<float> numbers;
      for (std::uint32_t d = 0; d < kSize; ++d) numbers.push_back(normal(5, {number, d, what, 0}));
      return numbers;
    };
    for (std::uint32_t i = 0; i < places.size(); ++i) {
      keys.push_back(row(i, 0));
      values.push_back(row(i, 1));
      received.push_back(i < 12 ? 3.0F * uniform(6, {i, 0, 0, 0}) : 0.0F);
    }
    for (std::uint32_t i = 0; i < 36; ++i) queries.push_back(row(i, 2));
  }

  // Without the first `count` of them.
  Tokens rest(std::int64_t count) const {
    Tokens less = *this;
    for (auto* rows : {&less.keys, &less.values}) rows->erase(rows->begin(), rows->begin() + count);
    less.places.erase(less.places.begin(), less.places.begin() + count);
    less.received.erase(less.received.begin(), less.received.begin() + count);
    less.facts.history -= count;
    less.facts.capacity -= count;
    if (folded.index >= 0) less.folded.index -= static_cast<std::int32_t>(count);
    return less;
  }
};

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (std::size_t d = 0; d < a.size(); ++d) sum += double{a[d]} * double{b[d]};
  return sum;
}

struct Choice {
  std::vector<std::int32_t> kept;
  std::vector<double> received;
  std::int32_t fold = -1;
};

std::vector<double> plain_scores(const Selector& selector, const ScoreRule& rule, const Tokens& t) {
  const std::size_t count = t.keys.size();
  std::vector<double> scores(count, 0.0);
  for (const std::int64_t position : selector.observed_queries(t.facts)) {
    const std::vector<float>& query = t.queries[static_cast<std::size_t>(position)];
    double total = 0.0;
    for (const std::vector<float>& key : t.keys) total += std::exp(dot(query, key));
    for (std::size_t j = 0; j < count; ++j) {
      const double product = dot(query, t.keys[j]);
      scores[j] += rule.score == ScoreRule::Score::logits ? product / std::sqrt(6.0) : std::exp(product) / total;
    }
  }
  const auto times = [&](std::size_t j) {
    return static_cast<int>(j) == t.folded.index ? std::exp(double{t.folded.log_count}) : 1.0;
  };
  std::vector<double> mean(kSize, 0.0);
  double all = 0.0;
  for (std::size_t j = 0; j < count; ++j) all += times(j);
  for (std::size_t j = 0; j < count; ++j) {
    for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += times(j) * double{t.values[j][d]} / all;
  }
  for (std::size_t j = 0; j < count; ++j) {
    if (rule.score == ScoreRule::Score::value_length) scores[j] = std::sqrt(dot(t.values[j], t.values[j]));
    if (rule.score == ScoreRule::Score::value_distance) {
      for (std::size_t d = 0; d < mean.size(); ++d) scores[j] += std::pow(double{t.values[j][d]} - mean[d], 2.0);
    }
    if (rule.weighted) scores[j] *= selector.weights(t.facts)[static_cast<std::size_t>(t.places[j])];
  }
  return scores;
}

// Pooled as ScoreRule says, a neighbour at a time.
std::vector<double> plain_pool(const ScoreRule& rule, const std::vector<double>& scores,
                               const std::vector<bool>& stays) {
  const auto others = std::count(stays.begin(), stays.end(), false);
  const bool cut = rule.pooled_always == ScoreRule::Always::cut_off;
  const std::int64_t end = cut ? others : std::ssize(scores);
  std::vector<double> pooled(scores.size(), 0.0);
  for (std::int64_t i = 0; i < end; ++i) {
    double sum = 0.0, most = -std::numeric_limits<double>::infinity();
    for (std::int64_t n = i - rule.pool / 2; n < i - rule.pool / 2 + rule.pool; ++n) {
      if (n < 0 || n >= end) continue;
      const bool masked = rule.pooled_always == ScoreRule::Always::masked && stays[static_cast<std::size_t>(n)];
      const double score = masked ? -std::numeric_limits<double>::infinity() : scores[static_cast<std::size_t>(n)];
      sum += score;
      most = std::max(most, score);
    }
    pooled[static_cast<std::size_t>(i)] = rule.average ? sum / rule.pool : most;
  }
  return pooled;
}

// What a back end would do that knows of the selector only what it declares.
Choice plain_choice(const Selector& selector, const Tokens& whole) {
  const ScoreRule rule = selector.rule(whole.facts).value();
  Choice choice;
  for (std::int32_t i = 0; i < rule.first; ++i) choice.kept.push_back(i);
  choice.received.assign(whole.received.begin(), whole.received.end());
  if (rule.first == whole.facts.capacity) return choice;
  // Queries, always() and weights() are asked of the whole selection, scores are of the rest.
  Tokens seen = whole.rest(rule.first);
  const SelectionFacts facts = seen.facts;
  seen.facts = whole.facts;
  std::vector<double> scores = plain_scores(selector, rule, seen);
  for (std::size_t j = 0; selector.accumulates() && j < scores.size(); ++j) {
    scores[j] = choice.received[j + static_cast<std::size_t>(rule.first)] += scores[j];
  }
  std::vector<bool> stays(scores.size(), false);
  for (const std::int64_t index : selector.always(whole.facts)) {
    stays[static_cast<std::size_t>(index - rule.first)] = true;
  }
  if (rule.folds && seen.folded.index >= 0) stays[static_cast<std::size_t>(seen.folded.index)] = true;
  const std::vector<double> pooled = plain_pool(rule, scores, stays);
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return stays[a] != stays[b] ? stays[a] : pooled[a] > pooled[b];
  });
  order.resize(static_cast<std::size_t>(facts.capacity));
  std::sort(order.begin(), order.end());
  for (const std::size_t j : order)
    choice.kept.push_back(static_cast<std::int32_t>(j + static_cast<std::size_t>(rule.first)));
  if (!rule.folds) return choice;
  const auto least = *std::min_element(order.begin(), order.end(),
                                       [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  choice.fold = static_cast<std::int32_t>(rule.first) +
                (seen.folded.index >= 0 ? seen.folded.index : static_cast<std::int32_t>(least));
  return choice;
}

// The selector itself, on rows as the cache holds them.
Choice host_choice(const Selector& selector, const Tokens& t) {
  const auto join = [](const auto& rows, auto first, auto last) {
    std::vector<float> flat;
    for (auto i = first; i < last; ++i) {
      flat.insert(flat.end(), rows[static_cast<std::size_t>(i)].begin(), rows[static_cast<std::size_t>(i)].end());
    }
    return flat;
  };
  const std::int64_t history = t.facts.history, tokens = t.facts.tokens();
  const std::vector<float> old_keys = join(t.keys, std::int64_t{0}, history), keys = join(t.keys, history, tokens);
  const std::vector<float> old_values = join(t.values, std::int64_t{0}, history),
                           values = join(t.values, history, tokens);
  std::vector<float> queries;
  for (const std::int64_t position : selector.observed_queries(t.facts)) {
    const std::vector<float> query = join(t.queries, position, position + 1);
    queries.insert(queries.end(), query.begin(), query.end());
  }
  std::vector<float> received = t.received;
  const SelectionInput input{.queries = View<const float>(queries.data(), {std::ssize(queries) / kSize, kSize}),
                             .history = {old_keys.data(), old_values.data(), history, kSize},
                             .map = {keys.data(), values.data(), t.facts.map.tokens(), kSize},
                             .origins = std::span(t.places).first(static_cast<std::size_t>(history)),
                             .received = selector.accumulates() ? std::span(received) : std::span<float>(),
                             .folded = t.folded,
                             .head_size = kSize};
  Choice choice;
  choice.kept.resize(static_cast<std::size_t>(t.facts.capacity));
  selector.select(t.facts, input, choice.kept);
  choice.received.assign(received.begin(), received.end());
  choice.fold = selector.fold_slot(t.facts, input, choice.kept);
  return choice;
}

void expect_same(const Choice& host, const Choice& plain) {
  EXPECT_EQ(host.kept, plain.kept);
  EXPECT_EQ(host.fold, plain.fold);
  ASSERT_EQ(host.received.size(), plain.received.size());
  for (std::size_t j = 0; j < host.received.size(); ++j) EXPECT_NEAR(host.received[j], plain.received[j], 1e-5) << j;
}

constexpr std::int64_t kCapacities[] = {2, 5, 9, 20, 40};

TEST(ScoreRule, TheHostDoesWhatIsDeclared) {
  for (const Declared& declared : declared_selectors()) {
    for (const std::int64_t capacity : kCapacities) {
      SCOPED_TRACE(declared.name + " " + std::to_string(capacity));
      const Tokens tokens(declared, capacity);
      expect_same(host_choice(*declared.selector, tokens), plain_choice(*declared.selector, tokens));
    }
  }
}

// The first tokens and, on the lists without them, the inner selector's own choice.
Choice plain_behind(std::int64_t first, const Selector& inner, const Tokens& tokens) {
  first = std::min({first, tokens.facts.history, tokens.facts.capacity});
  Choice choice;
  for (std::int32_t i = 0; i < first; ++i) choice.kept.push_back(i);
  choice.received.assign(tokens.received.begin(), tokens.received.begin() + first);
  if (first == tokens.facts.capacity) {
    choice.received.assign(tokens.received.begin(), tokens.received.end());
    return choice;
  }
  const Choice rest = plain_choice(inner, tokens.rest(first));
  for (const std::int32_t index : rest.kept) choice.kept.push_back(index + static_cast<std::int32_t>(first));
  choice.received.insert(choice.received.end(), rest.received.begin(), rest.received.end());
  if (rest.fold >= 0) choice.fold = rest.fold + static_cast<std::int32_t>(first);
  return choice;
}

TEST(ScoreRule, KeepFirstComposesWithEveryRule) {
  for (const Declared& declared : declared_selectors()) {
    for (const std::int64_t capacity : kCapacities) {
      for (const auto& [outer, inner] : {std::pair{0, 1}, {1, 0}, {1, 2}, {3, 1}, {2, 40}}) {
        SCOPED_TRACE(declared.name + " " + std::to_string(capacity) + " behind " + std::to_string(outer) + " and " +
                     std::to_string(inner));
        const auto twice = keep_first(outer, keep_first(inner, declared.selector));
        const Tokens tokens(declared, capacity);
        const Choice host = host_choice(*twice, tokens);
        expect_same(host, plain_behind(outer + inner, *declared.selector, tokens));
        expect_same(host, plain_choice(*twice, tokens));  // as the wrapper itself declares it
      }
    }
  }
}

TEST(ScoreRule, TheFoldedTokenStaysAndCountsAsOftenAsItStandsFor) {
  const Declared folding = declared_selectors().back();
  Tokens tokens(folding, 9);
  tokens.folded = {.index = 6, .log_count = std::log(5.0F)};
  expect_same(host_choice(*folding.selector, tokens), plain_choice(*folding.selector, tokens));
  expect_same(host_choice(*keep_first(2, folding.selector), tokens), plain_behind(2, *folding.selector, tokens));
}

// A policy's selector is declared, or it chooses by position alone: every back end can do it.
TEST(ScoreRule, EveryPolicyCanBeDoneByAnyBackEnd) {
  const auto calibration = random_calibration();
  for (const PolicyFacts& facts : known_policies()) {
    const bool calibrated = needs_calibration(facts.name);
    const Policy policy = make_policy(
        {.name = facts.name, .share = 0.3, .calibration = calibrated ? calibration : nullptr}, kRuleGeometry);
    if (policy.selector == nullptr) continue;
    const SelectionFacts any{.scale = 3, .map = {6, 6}, .history = 12, .capacity = 9};
    EXPECT_NE(policy.selector->rule(any).has_value(), policy.selector->by_position()) << facts.name;
  }
}

}  // namespace
}  // namespace scalekv::cache
