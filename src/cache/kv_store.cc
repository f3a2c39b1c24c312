#include "cache/kv_store.h"

#include <cstring>
#include <numeric>

#include "base/error.h"
#include "runtime/threads.h"

namespace scalekv::cache {
namespace {

void move_rows(const GrowBuffer& buffer, std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t bytes) {
  if (from == to || count == 0) return;
  std::memmove(buffer.data() + to * bytes, buffer.data() + from * bytes, static_cast<std::size_t>(count * bytes));
}

// Calls body(head) for every head: among the threads, where there is enough to do for `rows` rows in all.
template <typename Body>
void for_heads(int heads, std::int64_t rows, const Body& body) {
  constexpr std::int64_t kFewRows = 512;
  if (rows >= kFewRows) {
    parallel_for(heads, [&](std::int64_t head) { body(static_cast<int>(head)); });
  } else {
    for (int head = 0; head < heads; ++head) body(head);
  }
}

// One head's rows [L, D] of a map [L, H, D].
View<const float> of_head(const View<const float>& map, int head) {
  return {map.at(0, head, 0), Shape{map.size(0), map.size(2)}, {map.stride(0), map.stride(2)}};
}

}  // namespace

KvStore::KvStore(const KeepPlan& plan, std::int64_t sequences, std::vector<std::int64_t> group,
                 kernels::KvPrecision precision)
    : plan_(plan), sequences_(sequences), group_(std::move(group)), precision_(precision) {
  const CacheGeometry& geometry = plan_.geometry();
  stores_.resize(static_cast<std::size_t>(sequences * geometry.layers));
  for (Store& store : stores_) store.heads.resize(static_cast<std::size_t>(geometry.heads));
  grids_.resize(sequences * geometry.layers * geometry.heads * grid_bytes());
}

KvStore::Store& KvStore::store(int layer, std::int64_t sequence) {
  return stores_[static_cast<std::size_t>(layer * sequences_ + sequence)];
}

const KvStore::Store& KvStore::store(int layer, std::int64_t sequence) const {
  return stores_[static_cast<std::size_t>(layer * sequences_ + sequence)];
}

void KvStore::begin_scale(int scale) {
  scale_ = scale;
  const CacheGeometry& geometry = plan_.geometry();
  const std::int64_t heads = group_[static_cast<std::size_t>(scale)] * geometry.heads;
  scratch_.resize(0);
  if (plan_.any_scratch(scale)) {
    scratch_.resize(heads * (2 * geometry.map_tokens(scale) * row_bytes() + grid_bytes()));
  }
}

kernels::KeyValueRows KvStore::run_rows(int layer, std::int64_t sequence, int head) const {
  const Store& mine = store(layer, sequence);
  const HeadRun& run = mine.heads[static_cast<std::size_t>(head)];
  const std::int64_t grid = ((layer * sequences_ + sequence) * plan_.geometry().heads + head) * grid_bytes();
  return {.keys = mine.keys.data() + run.offset * row_bytes(),
          .values = mine.values.data() + run.offset * row_bytes(),
          .held = run.length,
          .precision = precision_,
          .grid = reinterpret_cast<std::int8_t*>(grids_.data() + grid)};
}

// Scratch layout: [keys, values][slot][head][token][head size], then the grids [slot][head].
kernels::KeyValueRows KvStore::scratch_rows(std::int64_t slot, int head) const {
  const CacheGeometry& geometry = plan_.geometry();
  const std::int64_t heads = group_[static_cast<std::size_t>(scale_)] * geometry.heads;
  const std::int64_t index = slot * geometry.heads + head;
  const std::int64_t map = geometry.map_tokens(scale_) * row_bytes();
  return {.keys = scratch_.data() + index * map,
          .values = scratch_.data() + (heads + index) * map,
          .held = 0,
          .precision = precision_,
          .grid = reinterpret_cast<std::int8_t*>(scratch_.data() + 2 * heads * map + index * grid_bytes())};
}

void KvStore::write_map(int layer, std::int64_t sequence, std::int64_t slot, View<const float> keys,
                        View<const float> values) {
  const CacheGeometry& geometry = plan_.geometry();
  const bool stays = plan_.keeps_all(scale_, layer);
  if (stays) {
    std::vector<std::int64_t> reserved;
    for (int head = 0; head < geometry.heads; ++head) reserved.push_back(plan_.reserve(scale_, layer, head));
    lay_out(store(layer, sequence), reserved);
  }
  for_heads(geometry.heads, geometry.heads * keys.size(0), [&](int head) {
    kernels::append_floats(stays ? run_rows(layer, sequence, head) : scratch_rows(slot, head), of_head(keys, head),
                           of_head(values, head));
  });
}

kernels::KeyValueSegment KvStore::history(int layer, std::int64_t sequence, int head) const {
  return run_rows(layer, sequence, head).segment(plan_.geometry().head_size);
}

kernels::KeyValueSegment KvStore::current(int layer, std::int64_t sequence, std::int64_t slot, int head) const {
  const CacheGeometry& geometry = plan_.geometry();
  kernels::KeyValueRows rows = scratch_rows(slot, head);
  if (plan_.keeps_all(scale_, layer)) {
    rows = run_rows(layer, sequence, head).after_held(geometry.head_size);
  }
  rows.held = geometry.map_tokens(scale_);
  return rows.segment(geometry.head_size);
}

void KvStore::keep_all(int layer, std::int64_t sequence) {
  SCALEKV_ASSERT(plan_.keeps_all(scale_, layer));
  const std::int64_t tokens = plan_.geometry().map_tokens(scale_);
  const auto first = static_cast<std::int32_t>(plan_.geometry().tokens_before(scale_));
  for (HeadRun& run : store(layer, sequence).heads) {
    run.length += tokens;
    for (std::int32_t i = 0; !run.origins.empty() && i < tokens; ++i) run.origins.push_back(first + i);
  }
}

std::span<const std::int32_t> KvStore::origins(int layer, std::int64_t sequence, int head) const {
  return store(layer, sequence).heads[static_cast<std::size_t>(head)].origins;
}

std::vector<float>& KvStore::received(int layer, std::int64_t sequence, int head) {
  return store(layer, sequence).heads[static_cast<std::size_t>(head)].received;
}

FoldedToken& KvStore::folded(int layer, std::int64_t sequence, int head) {
  return store(layer, sequence).heads[static_cast<std::size_t>(head)].folded;
}

void KvStore::write_token(int layer, std::int64_t sequence, std::int64_t slot, int head, std::int32_t index,
                          std::span<const float> key, std::span<const float> value) {
  const Shape shape{1, plan_.geometry().head_size};
  kernels::KeyValueRows rows = run_rows(layer, sequence, head);
  const std::int64_t history = rows.held;
  if (index >= history) {
    rows = scratch_rows(slot, head);
    rows.held = plan_.geometry().map_tokens(scale_);
  }
  kernels::replace_row(rows, index < history ? index : index - history, View<const float>(key.data(), shape),
                       View<const float>(value.data(), shape));
}

void KvStore::keep_origins(HeadRun& run, std::span<const std::int32_t> indices) const {
  const auto first = static_cast<std::int32_t>(plan_.geometry().tokens_before(scale_));
  std::vector<std::int32_t> origins;
  origins.reserve(indices.size());
  for (const std::int32_t index : indices) {
    if (index >= run.length) {
      origins.push_back(first + index - static_cast<std::int32_t>(run.length));
    } else {
      origins.push_back(run.origins.empty() ? index : run.origins[static_cast<std::size_t>(index)]);
    }
  }
  run.origins = std::move(origins);
}

void KvStore::keep(int layer, std::int64_t sequence, std::int64_t slot,
                   std::span<const std::vector<std::int32_t>> kept) {
  const CacheGeometry& geometry = plan_.geometry();
  Store& mine = store(layer, sequence);
  std::vector<std::vector<std::int64_t>> from_map(kept.size());
  std::vector<std::int64_t> reserved;
  for (const std::vector<std::int32_t>& indices : kept) reserved.push_back(static_cast<std::int64_t>(indices.size()));
  const std::int64_t rows = std::accumulate(reserved.begin(), reserved.end(), std::int64_t{0});
  for_heads(geometry.heads, rows, [&](int head) {
    const auto h = static_cast<std::size_t>(head);
    HeadRun& run = mine.heads[h];
    keep_origins(run, kept[h]);
    // History: kept rows move forward within their run.
    std::int64_t written = 0;
    for (const std::int32_t index : kept[h]) {
      if (index >= run.length) {
        from_map[h].push_back(index - run.length);
        continue;
      }
      move_rows(mine.keys, run.offset + index, run.offset + written, 1, row_bytes());
      move_rows(mine.values, run.offset + index, run.offset + written, 1, row_bytes());
      ++written;
    }
    run.length = written;
  });
  lay_out(mine, reserved);
  for_heads(geometry.heads, rows, [&](int head) {
    const std::vector<std::int64_t>& chosen = from_map[static_cast<std::size_t>(head)];
    kernels::append_rows(run_rows(layer, sequence, head), geometry.head_size, current(layer, sequence, slot, head),
                         chosen);
    mine.heads[static_cast<std::size_t>(head)].length += static_cast<std::int64_t>(chosen.size());
  });
}

void KvStore::lay_out(Store& store, std::span<const std::int64_t> reserved) const {
  const std::int64_t bytes = row_bytes();
  bool same = true;
  for (std::size_t h = 0; h < reserved.size(); ++h) same = same && store.heads[h].reserved == reserved[h];
  if (same) return;
  // First every run moves forward, tight behind the one before it; then, from the last to the first, back to its place
  // in the new layout: no run is overwritten before it has moved.
  std::int64_t tight = 0;
  for (HeadRun& run : store.heads) {
    move_rows(store.keys, run.offset, tight, run.length, bytes);
    move_rows(store.values, run.offset, tight, run.length, bytes);
    run.offset = tight;
    tight += run.length;
  }
  std::int64_t total = 0;
  for (const std::int64_t tokens : reserved) total += tokens;
  store.keys.resize(total * bytes);
  store.values.resize(total * bytes);
  for (std::size_t h = reserved.size(); h-- > 0;) {
    total -= reserved[h];
    HeadRun& run = store.heads[h];
    move_rows(store.keys, run.offset, total, run.length, bytes);
    move_rows(store.values, run.offset, total, run.length, bytes);
    run.offset = total;
    run.reserved = reserved[h];
  }
}

}  // namespace scalekv::cache
