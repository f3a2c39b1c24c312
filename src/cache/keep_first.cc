#include "cache/keep_first.h"

#include <algorithm>
#include <numeric>

namespace scalekv::cache {
namespace {

// A selection without the first tokens of the history.
struct Rest {
  SelectionFacts facts;
  std::vector<std::int32_t> origins;
  SelectionInput input;
};

SelectionFacts without_first(SelectionFacts facts, std::int64_t tokens) {
  facts.history -= tokens;
  facts.capacity -= tokens;
  return facts;
}

Rest without_first(const SelectionFacts& facts, const SelectionInput& input, std::int64_t tokens) {
  Rest rest{.facts = without_first(facts, tokens), .origins = {}, .input = input};
  for (std::int64_t j = tokens; j < facts.history; ++j) rest.origins.push_back(input.origin(j));
  rest.input.origins = rest.origins;
  kernels::KeyValueSegment& history = rest.input.history;
  const std::int64_t bytes = tokens * history.stride * kernels::kv_element_bytes(history.precision);
  history.keys = static_cast<const std::byte*>(history.keys) + bytes;
  history.values = static_cast<const std::byte*>(history.values) + bytes;
  history.count -= tokens;
  if (!input.received.empty()) rest.input.received = input.received.subspan(static_cast<std::size_t>(tokens));
  if (input.folded.index >= 0) rest.input.folded.index -= static_cast<std::int32_t>(tokens);
  return rest;
}

class KeepFirstSelector final : public Selector {
 public:
  KeepFirstSelector(std::int64_t tokens, std::shared_ptr<const Selector> inner)
      : tokens_(tokens), inner_(std::move(inner)) {}

  QueryForm query_form() const override { return inner_->query_form(); }
  bool accumulates() const override { return inner_->accumulates(); }

  std::vector<std::int64_t> observed_queries(const SelectionFacts& facts) const override {
    const std::int64_t first = first_tokens(facts);
    if (first == facts.capacity) return {};
    return inner_->observed_queries(without_first(facts, first));
  }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    const std::int64_t first = first_tokens(facts);
    std::iota(kept.begin(), kept.begin() + first, 0);
    const std::span<std::int32_t> others = kept.subspan(static_cast<std::size_t>(first));
    if (others.empty()) return;
    const Rest rest = without_first(facts, input, first);
    inner_->select(rest.facts, rest.input, others);
    for (std::int32_t& index : others) index += static_cast<std::int32_t>(first);
  }

  std::int32_t fold_slot(const SelectionFacts& facts, const SelectionInput& input,
                         std::span<const std::int32_t> kept) const override {
    const std::int64_t first = first_tokens(facts);
    std::vector<std::int32_t> others(kept.begin() + first, kept.end());
    if (others.empty()) return -1;
    for (std::int32_t& index : others) index -= static_cast<std::int32_t>(first);
    const Rest rest = without_first(facts, input, first);
    const std::int32_t slot = inner_->fold_slot(rest.facts, rest.input, others);
    return slot < 0 ? slot : slot + static_cast<std::int32_t>(first);
  }

 private:
  std::int64_t first_tokens(const SelectionFacts& facts) const {
    return std::min({tokens_, facts.history, facts.capacity});
  }

  std::int64_t tokens_;
  std::shared_ptr<const Selector> inner_;
};

}  // namespace

std::shared_ptr<const Selector> keep_first(std::int64_t tokens, std::shared_ptr<const Selector> inner) {
  return std::make_shared<KeepFirstSelector>(tokens, std::move(inner));
}

}  // namespace scalekv::cache
