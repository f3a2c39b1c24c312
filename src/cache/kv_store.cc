#include "cache/kv_store.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace scalekv::cache {
namespace {

float* floats(const GrowBuffer& buffer) { return reinterpret_cast<float*>(buffer.data()); }

void move_rows(const GrowBuffer& buffer, std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t width) {
  if (from == to || count == 0) return;
  std::memmove(floats(buffer) + to * width, floats(buffer) + from * width,
               static_cast<std::size_t>(count * width) * sizeof(float));
}

}  // namespace

KvStore::KvStore(const KeepPlan& plan, std::int64_t sequences, std::vector<std::int64_t> group)
    : plan_(plan), sequences_(sequences), group_(std::move(group)) {
  const CacheGeometry& geometry = plan_.geometry();
  stores_.resize(static_cast<std::size_t>(sequences * geometry.layers));
  for (Store& store : stores_) store.heads.resize(static_cast<std::size_t>(geometry.heads));
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
  const std::int64_t tokens = group_[static_cast<std::size_t>(scale)] * geometry.map_tokens(scale) * geometry.heads;
  scratch_.resize(0);
  if (plan_.any_scratch(scale)) scratch_.resize(2 * tokens * geometry.head_size * std::int64_t{sizeof(float)});
}

// Scratch layout: [keys or values][slot][head][token][head size].
float* KvStore::scratch_keys(std::int64_t slot, int head) const {
  const CacheGeometry& geometry = plan_.geometry();
  return floats(scratch_) + (slot * geometry.heads + head) * geometry.map_tokens(scale_) * geometry.head_size;
}

float* KvStore::scratch_values(std::int64_t slot, int head) const {
  const CacheGeometry& geometry = plan_.geometry();
  const std::int64_t half = group_[static_cast<std::size_t>(scale_)] * geometry.heads * geometry.map_tokens(scale_);
  return scratch_keys(slot, head) + half * geometry.head_size;
}

std::vector<kernels::KeyValueTarget> KvStore::targets(int layer, std::int64_t sequence, std::int64_t slot) {
  const CacheGeometry& geometry = plan_.geometry();
  Store& mine = store(layer, sequence);
  const bool stays = plan_.keeps_all(scale_, layer);
  if (stays) {
    std::vector<std::int64_t> reserved;
    for (int head = 0; head < geometry.heads; ++head) reserved.push_back(plan_.reserve(scale_, layer, head));
    lay_out(mine, reserved);
  }
  std::vector<kernels::KeyValueTarget> targets;
  for (int head = 0; head < geometry.heads; ++head) {
    const HeadRun& run = mine.heads[static_cast<std::size_t>(head)];
    const std::int64_t tail = (run.offset + run.length) * geometry.head_size;
    targets.push_back({stays ? floats(mine.keys) + tail : scratch_keys(slot, head),
                       stays ? floats(mine.values) + tail : scratch_values(slot, head), geometry.head_size});
  }
  return targets;
}

kernels::KeyValueSegment KvStore::history(int layer, std::int64_t sequence, int head) const {
  const Store& mine = store(layer, sequence);
  const HeadRun& run = mine.heads[static_cast<std::size_t>(head)];
  const std::int64_t size = plan_.geometry().head_size;
  return {floats(mine.keys) + run.offset * size, floats(mine.values) + run.offset * size, run.length, size};
}

kernels::KeyValueSegment KvStore::current(int layer, std::int64_t sequence, std::int64_t slot, int head) const {
  const CacheGeometry& geometry = plan_.geometry();
  const std::int64_t tokens = geometry.map_tokens(scale_);
  if (!plan_.keeps_all(scale_, layer)) {
    return {scratch_keys(slot, head), scratch_values(slot, head), tokens, geometry.head_size};
  }
  const kernels::KeyValueSegment kept = history(layer, sequence, head);
  return {kept.keys + kept.count * kept.stride, kept.values + kept.count * kept.stride, tokens, kept.stride};
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
  const std::int64_t size = geometry.head_size;
  Store& mine = store(layer, sequence);
  std::vector<std::int64_t> old_lengths;
  std::vector<std::int64_t> reserved;
  for (int head = 0; head < geometry.heads; ++head) {
    HeadRun& run = mine.heads[static_cast<std::size_t>(head)];
    const std::vector<std::int32_t>& indices = kept[static_cast<std::size_t>(head)];
    keep_origins(run, indices);
    // History: kept rows move forward within their run.
    std::int64_t written = 0;
    for (const std::int32_t index : indices) {
      if (index >= run.length) break;
      move_rows(mine.keys, run.offset + index, run.offset + written, 1, size);
      move_rows(mine.values, run.offset + index, run.offset + written, 1, size);
      ++written;
    }
    old_lengths.push_back(run.length);
    run.length = written;
    reserved.push_back(static_cast<std::int64_t>(indices.size()));
  }
  lay_out(mine, reserved);
  for (int head = 0; head < geometry.heads; ++head) {
    HeadRun& run = mine.heads[static_cast<std::size_t>(head)];
    const std::vector<std::int32_t>& indices = kept[static_cast<std::size_t>(head)];
    for (auto i = static_cast<std::size_t>(run.length); i < indices.size(); ++i) {
      const std::int64_t row = indices[i] - old_lengths[static_cast<std::size_t>(head)];
      const std::int64_t target = (run.offset + run.length) * size;
      std::copy_n(scratch_keys(slot, head) + row * size, size, floats(mine.keys) + target);
      std::copy_n(scratch_values(slot, head) + row * size, size, floats(mine.values) + target);
      ++run.length;
    }
  }
}

void KvStore::lay_out(Store& store, std::span<const std::int64_t> reserved) {
  const std::int64_t size = plan_.geometry().head_size;
  bool same = true;
  for (std::size_t h = 0; h < reserved.size(); ++h) same = same && store.heads[h].reserved == reserved[h];
  if (same) return;
  // First every run moves forward, tight behind the one before it; then, from the last to the first, back to its place
  // in the new layout: no run is overwritten before it has moved.
  std::int64_t tight = 0;
  for (HeadRun& run : store.heads) {
    move_rows(store.keys, run.offset, tight, run.length, size);
    move_rows(store.values, run.offset, tight, run.length, size);
    run.offset = tight;
    tight += run.length;
  }
  std::int64_t total = 0;
  for (const std::int64_t tokens : reserved) total += tokens;
  store.keys.resize(total * size * std::int64_t{sizeof(float)});
  store.values.resize(total * size * std::int64_t{sizeof(float)});
  for (std::size_t h = reserved.size(); h-- > 0;) {
    total -= reserved[h];
    HeadRun& run = store.heads[h];
    move_rows(store.keys, run.offset, total, run.length, size);
    move_rows(store.values, run.offset, total, run.length, size);
    run.offset = total;
    run.reserved = reserved[h];
  }
}

}  // namespace scalekv::cache
