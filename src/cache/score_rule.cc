// Selections by rule, on the host.
#include "cache/score_rule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "cache/fold.h"
#include "cache/selector.h"

namespace scalekv::cache {
namespace {

// A rule's factor for every cache index; 1 where it is not weighted.
class TokenWeights {
 public:
  TokenWeights(std::vector<double> pyramid, const SelectionFacts& facts, const SelectionInput& input)
      : pyramid_(std::move(pyramid)),
        map_(static_cast<std::int64_t>(pyramid_.size()) - facts.tokens()),
        facts_(facts),
        input_(input) {}

  bool empty() const { return pyramid_.empty(); }
  double operator()(std::int64_t index) const {
    if (pyramid_.empty()) return 1.0;
    return pyramid_[static_cast<std::size_t>(index < facts_.history ? input_.origin(index) : map_ + index)];
  }

 private:
  std::vector<double> pyramid_;
  std::int64_t map_;  // added to a cache index in the map: its position in the pyramid
  const SelectionFacts& facts_;
  const SelectionInput& input_;
};

// The sum over the queries of q . k is (sum of q) . k.
std::vector<float> observed_logits(const SelectionInput& input) {
  const std::int64_t size = input.queries.size(1);
  std::vector<float> summed(static_cast<std::size_t>(size), 0.0F);
  for (std::int64_t i = 0; i < input.queries.size(0); ++i) {
    for (std::int64_t d = 0; d < size; ++d) summed[static_cast<std::size_t>(d)] += input.queries(i, d);
  }
  for (float& value : summed) value /= std::sqrt(static_cast<float>(size));
  std::vector<float> scores(static_cast<std::size_t>(input.history.count + input.map.count));
  dot_cache(input, summed, scores);
  return scores;
}

// The mean over all tokens that are or were there.
std::vector<double> mean_value(const SelectionInput& input, const CacheRows& rows, std::int64_t tokens) {
  std::vector<float> value(static_cast<std::size_t>(input.head_size));
  std::vector<double> mean(value.size(), 0.0);
  double count = 0.0;
  for (std::int64_t token = 0; token < tokens; ++token) {
    const double weight = input.stands_for(token);
    rows.value(token, value.data());
    for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += weight * double{value[d]};
    count += weight;
  }
  for (double& sum : mean) sum /= count;
  return mean;
}

double length(const std::vector<float>& value) {
  return std::sqrt(std::inner_product(value.begin(), value.end(), value.begin(), 0.0));
}

double squared_distance(const std::vector<float>& value, const std::vector<double>& mean) {
  double distance = 0.0;
  for (std::size_t d = 0; d < mean.size(); ++d) distance += (value[d] - mean[d]) * (value[d] - mean[d]);
  return distance;
}

std::vector<float> value_scores(bool distances, std::int64_t tokens, const SelectionInput& input,
                                const TokenWeights& weights) {
  const CacheRows rows(input);
  const std::vector<double> mean = distances ? mean_value(input, rows, tokens) : std::vector<double>();
  std::vector<float> value(static_cast<std::size_t>(input.head_size));
  std::vector<float> scores;
  for (std::int64_t token = 0; token < tokens; ++token) {
    rows.value(token, value.data());
    scores.push_back(static_cast<float>(weights(token) * (distances ? squared_distance(value, mean) : length(value))));
  }
  return scores;
}

std::vector<float> query_scores(bool logits, const SelectionInput& input, const TokenWeights& weights) {
  std::vector<float> scores = logits ? observed_logits(input) : observed_attention(input);
  for (std::size_t j = 0; !weights.empty() && j < scores.size(); ++j) {
    scores[j] = static_cast<float>(weights(static_cast<std::int64_t>(j)) * double{scores[j]});
  }
  return scores;
}

// What each token scores in one selection, before it is added to anything.
std::vector<float> score_tokens(const ScoreRule& rule, std::vector<double> pyramid, const SelectionRest& seen) {
  const TokenWeights weights(std::move(pyramid), seen.facts, seen.input);
  switch (rule.score) {
    case ScoreRule::Score::logits:
      return query_scores(true, seen.input, weights);
    case ScoreRule::Score::softmax:
      return query_scores(false, seen.input, weights);
    case ScoreRule::Score::value_length:
      return value_scores(false, seen.facts.tokens(), seen.input, weights);
    case ScoreRule::Score::value_distance:
      return value_scores(true, seen.facts.tokens(), seen.input, weights);
  }
  broken_invariant("there are no other scores", __FILE__, __LINE__);
}

std::vector<float> pool(const ScoreRule& rule, std::vector<float> scores, std::span<const std::int64_t> always) {
  if (rule.pool == 1) return scores;
  const std::size_t tokens = scores.size();
  if (rule.pooled_always == ScoreRule::Always::cut_off) scores.resize(tokens - always.size());
  if (rule.pooled_always == ScoreRule::Always::masked) {
    for (const std::int64_t index : always) {
      scores[static_cast<std::size_t>(index)] = -std::numeric_limits<float>::infinity();
    }
  }
  std::vector<float> pooled = pool_scores(scores, rule.pool, rule.average);
  pooled.resize(tokens);
  return pooled;
}

}  // namespace

void Selector::select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const {
  const std::optional<ScoreRule> rule = this->rule(facts);
  SCALEKV_ASSERT(rule.has_value());
  std::iota(kept.begin(), kept.begin() + rule->first, 0);
  const std::span<std::int32_t> others = kept.subspan(static_cast<std::size_t>(rule->first));
  if (others.empty()) return;
  const SelectionRest seen = without_first(facts, input, rule->first);
  std::vector<std::int64_t> always = this->always(facts);
  for (std::int64_t& index : always) index -= rule->first;
  if (rule->folds && seen.input.folded.index >= 0) always.push_back(seen.input.folded.index);
  std::vector<float> scores = score_tokens(*rule, rule->weighted ? weights(facts) : std::vector<double>(), seen);
  if (accumulates()) {
    const std::span<float> received = seen.input.received;
    for (std::size_t j = 0; j < scores.size(); ++j) scores[j] = received[j] += scores[j];
  }
  keep_always_and_best(pool(*rule, std::move(scores), always), always, others);
  for (std::int32_t& index : others) index += static_cast<std::int32_t>(rule->first);
}

std::int32_t Selector::fold_slot(const SelectionFacts& facts, const SelectionInput& input,
                                 std::span<const std::int32_t> kept) const {
  const std::optional<ScoreRule> rule = this->rule(facts);
  if (!rule || !rule->folds || std::ssize(kept) == rule->first) return -1;
  SCALEKV_ASSERT(!accumulates());
  if (input.folded.index >= rule->first) return input.folded.index;
  const std::vector<float> scores = score_tokens(*rule, rule->weighted ? weights(facts) : std::vector<double>(),
                                                 without_first(facts, input, rule->first));
  const auto score = [&](std::int32_t token) { return scores[static_cast<std::size_t>(token - rule->first)]; };
  return *std::min_element(kept.begin() + rule->first, kept.end(),
                           [&](std::int32_t a, std::int32_t b) { return score(a) < score(b); });
}

}  // namespace scalekv::cache
