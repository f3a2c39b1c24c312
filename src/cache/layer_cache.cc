#include "cache/layer_cache.h"

#include <algorithm>
#include <numeric>

#include "cache/fold.h"
#include "runtime/threads.h"

namespace scalekv::cache {
namespace {

// What attention adds to the scores of a head's keys, the same for every query: the log of how many tokens a key stands
// for. Empty where every key is a token of its own.
std::vector<float> key_bias(const FoldedToken& folded, std::int64_t tokens) {
  if (folded.index < 0) return {};
  std::vector<float> bias(static_cast<std::size_t>(tokens), 0.0F);
  bias[static_cast<std::size_t>(folded.index)] = folded.log_count;
  return bias;
}

}  // namespace

KvCache::KvCache(const KeepPlan& plan, std::shared_ptr<const Selector> selector, std::int64_t sequences,
                 std::vector<std::int64_t> group, kernels::KvPrecision precision, CacheObservers observers)
    : store_(plan, sequences, std::move(group), precision),
      selector_(std::move(selector)),
      observers_(std::move(observers)) {}

void KvCache::begin_scale(int scale) {
  scale_ = scale;
  store_.begin_scale(scale);
}

LayerCache::LayerCache(KvCache& cache, int layer, std::int64_t first, View<const float> projected)
    : cache_(cache),
      store_(cache.store_),
      scale_(cache.scale_),
      layer_(layer),
      first_(first),
      tokens_(store_.plan().geometry().map_tokens(scale_)),
      rows_(projected),
      observed_(cache.selector_.get(), store_.plan(), scale_, layer, slots()) {
  observed_.gather(QueryForm::projected, rows_);
}

void LayerCache::append() {
  const std::int64_t heads = store_.plan().geometry().heads, size = store_.plan().geometry().head_size;
  for (std::int64_t slot = 0; slot < slots(); ++slot) {
    const auto part = [&](std::int64_t index) {  // [L, H, D] of [L, 3 C]
      return View<const float>(rows_.at(slot * tokens_, index * heads * size), {tokens_, heads, size},
                               {rows_.stride(0), size, 1});
    };
    store_.write_map(layer_, first_ + slot, slot, part(1), part(2));
  }
  observed_.gather(QueryForm::attention, rows_);
}

void LayerCache::attend(View<float> out) const {
  const CacheGeometry& geometry = store_.plan().geometry();
  std::vector<kernels::AttentionHead> work;
  std::vector<std::vector<float>> biases;  // one a head; moving them leaves their numbers where they are
  for (std::int64_t slot = 0; slot < slots(); ++slot) {
    for (int head = 0; head < geometry.heads; ++head) {
      const kernels::KeyValueSegment history = store_.history(layer_, first_ + slot, head);
      biases.push_back(key_bias(store_.folded(layer_, first_ + slot, head), history.count + tokens_));
      work.push_back({.queries = rows_.at(slot * tokens_, head * geometry.head_size),
                      .query_stride = rows_.stride(0),
                      .query_count = tokens_,
                      .segments = {history, store_.current(layer_, first_ + slot, slot, head)},
                      .bias = biases.back().empty() ? nullptr : biases.back().data(),
                      .out = out.at(slot * tokens_, head * geometry.head_size),
                      .out_stride = out.stride(0)});
    }
  }
  kernels::attention(work, geometry.head_size, 1.0F);
  if (cache_.observers_.attention) cache_.observers_.attention(scale_, layer_, work);
}

void LayerCache::keep() {
  const KeepPlan& plan = store_.plan();
  if (plan.keeps_all(scale_, layer_)) {
    for (std::int64_t slot = 0; slot < slots(); ++slot) store_.keep_all(layer_, first_ + slot);
    return;
  }
  const std::int64_t heads = plan.geometry().heads;
  std::vector<std::vector<std::int32_t>> kept(static_cast<std::size_t>(slots() * heads));
  parallel_for(slots() * heads, [&](std::int64_t i) {
    kept[static_cast<std::size_t>(i)] = choose(i / heads, static_cast<int>(i % heads));
  });
  for (std::int64_t slot = 0; slot < slots(); ++slot) {
    const auto of_slot =
        std::span(kept).subspan(static_cast<std::size_t>(slot * heads), static_cast<std::size_t>(heads));
    for (int head = 0; cache_.observers_.selections && head < heads; ++head) {
      cache_.observers_.selections(scale_, layer_, first_ + slot, head, of_slot[static_cast<std::size_t>(head)]);
    }
    store_.keep(layer_, first_ + slot, slot, of_slot);
  }
}

std::vector<std::int32_t> LayerCache::choose(std::int64_t slot, int head) const {
  const SelectionFacts facts = selection_facts(store_.plan(), scale_, layer_, head);
  std::vector<std::int32_t> kept(static_cast<std::size_t>(facts.capacity));
  if (facts.capacity == facts.tokens()) {
    std::iota(kept.begin(), kept.end(), 0);
  } else if (facts.capacity > 0) {
    select(facts, slot, kept);
  }
  return kept;
}

void LayerCache::select(const SelectionFacts& facts, std::int64_t slot, std::span<std::int32_t> kept) const {
  std::vector<float>& received = store_.received(layer_, first_ + slot, facts.head);
  std::vector<float> sums;
  if (cache_.selector_->accumulates()) {
    sums = received;
    sums.resize(static_cast<std::size_t>(facts.tokens()), 0.0F);
  }
  const SelectionInput input{.queries = observed_.queries(slot, facts.head),
                             .history = store_.history(layer_, first_ + slot, facts.head),
                             .map = store_.current(layer_, first_ + slot, slot, facts.head),
                             .origins = store_.origins(layer_, first_ + slot, facts.head),
                             .received = sums,
                             .folded = store_.folded(layer_, first_ + slot, facts.head),
                             .head_size = store_.plan().geometry().head_size};
  cache_.selector_->select(facts, input, kept);
  fold(facts, input, slot, kept);
  received.clear();
  for (std::size_t i = 0; !sums.empty() && i < kept.size(); ++i) {
    received.push_back(sums[static_cast<std::size_t>(kept[i])]);
  }
}

void LayerCache::fold(const SelectionFacts& facts, const SelectionInput& input, std::int64_t slot,
                      std::span<const std::int32_t> kept) const {
  const std::int32_t place = cache_.selector_->fold_slot(facts, input, kept);
  if (place < 0) return;
  const Fold folded = fold_dropped(input, kept, place);
  store_.write_token(layer_, first_ + slot, slot, facts.head, place, folded.key, folded.value);
  const auto index = std::lower_bound(kept.begin(), kept.end(), place) - kept.begin();
  store_.folded(layer_, first_ + slot, facts.head) = {static_cast<std::int32_t>(index), folded.log_count};
}

}  // namespace scalekv::cache
