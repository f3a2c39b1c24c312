// Selectors: which tokens of a head's cache stay when a budget allows only so many.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/map_size.h"
#include "cache/geometry.h"
#include "cache/score_rule.h"
#include "kernels/attention.h"
#include "runtime/tensor.h"

namespace scalekv::cache {

// Which form of the queries a selector observes.
enum class QueryForm : std::uint8_t {
  none,       // it looks at positions alone
  projected,  // the plain projection: no bias, not normalised, not rotated
  attention,  // what attention uses: normalised, scaled, rotated
};

// What is known of a selection before any number is computed.
struct SelectionFacts {
  int scale = 0;  // index of the current scale
  int layer = 0;
  int head = 0;
  MapSize map;                // its size
  std::int64_t history = 0;   // tokens of this head kept from earlier scales
  std::int64_t capacity = 0;  // how many of history + map may stay; 1 <= capacity < history + map

  std::int64_t tokens() const { return history + map.tokens(); }
};

// A token that stands for others (cache/fold.h): its place among the history's tokens, or -1 where there is none, and
// the log of how many it stands for, which attention adds to its scores.
struct FoldedToken {
  std::int32_t index = -1;
  float log_count = 0.0F;
};

// One head's data for a selection. Cache index j < history is token j of `history`, else token j - history of `map`.
struct SelectionInput {
  View<const float> queries;  // [observed queries, head size]
  kernels::KeyValueSegment history;
  kernels::KeyValueSegment map;
  // Position of each token of `history` in the whole pyramid (all scales, row-major), ascending; empty: 0, 1, 2, ...
  std::span<const std::int32_t> origins = {};
  // For selectors that accumulate(): what each of the history + map tokens has received in earlier selections (zeros
  // for the map). select() adds to it; the sums of the tokens it keeps are there next time.
  std::span<float> received = {};
  FoldedToken folded = {};
  std::int64_t head_size = 0;  // of keys and values

  std::int32_t origin(std::int64_t history_index) const {
    return origins.empty() ? static_cast<std::int32_t>(history_index)
                           : origins[static_cast<std::size_t>(history_index)];
  }
  // How many tokens the one at a cache index stands for.
  double stands_for(std::int64_t index) const {
    return index == folded.index ? std::exp(double{folded.log_count}) : 1.0;
  }
};

// Which tokens stay. Most say it in data: rule(), with the queries, tokens and weights that it speaks of; a back end
// then does it in its own way, and select() on the host. One that cannot be said so writes select() itself, for the
// host; where it looks at positions alone it says so, and no back end has to hand it any number.
// Immutable and thread safe: whatever a run needs to remember belongs to the run, so that nothing leaks into the next.
class Selector {
 public:
  virtual ~Selector() = default;

  // Nothing where select() is written instead.
  virtual std::optional<ScoreRule> rule(const SelectionFacts& /*facts*/) const { return std::nullopt; }
  // Does it read neither queries nor keys, values or sums?
  virtual bool by_position() const { return false; }

  virtual QueryForm query_form() const { return QueryForm::none; }
  // Positions in the current map (row-major) of the queries that it looks at, in the order it wants them.
  virtual std::vector<std::int64_t> observed_queries(const SelectionFacts& /*facts*/) const { return {}; }
  // Cache indices that stay whatever their score, ascending, beside the rule's first ones.
  virtual std::vector<std::int64_t> always(const SelectionFacts& /*facts*/) const { return {}; }
  // Of a weighted rule: a factor for every token of the pyramid, the current map's included.
  virtual std::vector<double> weights(const SelectionFacts& /*facts*/) const { return {}; }
  // Do scores add up over selections (SelectionInput::received)? Not where it folds.
  virtual bool accumulates() const { return false; }

  // Writes facts.capacity cache indices, ascending and unique. By the rule, unless it is written otherwise.
  virtual void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const;
  // The cache index, one of those kept, whose place the folded token takes (cache/fold.h); -1 where what is dropped is
  // forgotten. By the rule, unless it is written otherwise.
  virtual std::int32_t fold_slot(const SelectionFacts& facts, const SelectionInput& input,
                                 std::span<const std::int32_t> kept) const;
};

// ScaleKV's observation window as the published code computes it and as it was meant (docs/ALGORITHM.md).
struct WindowOptions {
  int window = 16;       // tokens; a square number for a grid of patches
  int pool = 5;          // width of the pooling over neighbours in cache order
  bool average = false;  // average pooling instead of maximum
};

// The published selector, exactly: raw projections against normalised, rotated keys, summed logits, window laid out by
// the square 13-scale schedule whatever the real map (ScaleKV scalekv/..., `ScaleKVCluster.update_kv`).
std::unique_ptr<const Selector> make_reference_selector(const WindowOptions& options = {});

// The same idea with the true attention queries, softmax weights and the real map size.
std::unique_ptr<const Selector> make_attention_selector(const WindowOptions& options = {});

// Their names, the one that is taken where none is named first; and what a name means. Throws UsageError where there is
// no such selector.
inline constexpr std::array kWindowSelectors = {"reference", "attention"};
std::string selector_name(const std::string& name);
std::unique_ptr<const Selector> make_window_selector(const std::string& name);

// Steps that selectors share; the fixtures check them one by one.

// Position in the whole pyramid (all scales, row-major) of a cache index.
std::int64_t pyramid_position(const CacheGeometry& geometry, const SelectionFacts& facts, const SelectionInput& input,
                              std::int64_t index);
// Cache indices of the reference's window, ascending and unique.
std::vector<std::int64_t> reference_window(int scale, std::int64_t cache_tokens, int window);
// Centres of a grid of patches over the real map (4x4 for window = 16), as map positions; clipped to small maps.
std::vector<std::int64_t> patch_window(MapSize map, int window);
// The last `window` positions of a map of `tokens` tokens, ascending; fewer where the map is smaller.
std::vector<std::int64_t> last_window(std::int64_t tokens, int window);
// The cache indices of positions in the current map.
std::vector<std::int64_t> in_cache(std::vector<std::int64_t> positions, const SelectionFacts& facts);
// At most `count` positions spread evenly over a map of `tokens` tokens, ascending.
std::vector<std::int64_t> spread_window(std::int64_t tokens, std::int64_t count);
// A capacity smaller than the window gets a smaller window: the largest square that leaves half of it to the history.
int fitting_window(int window, std::int64_t capacity);
// scores[j] = query . key j, for every cache index j.
void dot_cache(const SelectionInput& input, std::span<const float> query, std::span<float> scores);
// Softmax weight that each cache index gets from the observed queries, summed over them (they count with their
// attention form). The keys' scale is 1, as in the block.
std::vector<float> observed_attention(const SelectionInput& input);
// A selection without the first tokens of the history, as if they were not there.
struct SelectionRest {
  SelectionFacts facts;
  SelectionInput input;
  std::vector<std::int32_t> origins;  // what `input` borrows
};
SelectionFacts without_first(SelectionFacts facts, std::int64_t tokens);
SelectionRest without_first(const SelectionFacts& facts, const SelectionInput& input, std::int64_t tokens);
// Keeps the cache indices in `always` and the best of the others. scores: one per cache index.
void keep_always_and_best(std::vector<float> scores, std::span<const std::int64_t> always,
                          std::span<std::int32_t> kept);
// Pools scores over `pool` neighbours (stride 1, padded with pool / 2 on both sides: -inf for the maximum, zeros for
// the average, whose divisor is always `pool`). The result has one more entry than scores where pool is even.
std::vector<float> pool_scores(std::span<const float> scores, int pool, bool average);
// The `count` largest scores' indices, ascending; equal scores go to the lowest index.
std::vector<std::int32_t> largest(std::span<const float> scores, std::int64_t count);

// A selector that always keeps the first `tokens` tokens of a head's history, as many as its capacity allows. `inner`,
// which has a rule, fills what is left: it sees the other tokens alone, as if those in front were not there.
std::shared_ptr<const Selector> keep_first(std::int64_t tokens, std::shared_ptr<const Selector> inner);

}  // namespace scalekv::cache
