#include "cache/keep_plan.h"

#include <algorithm>

#include "base/error.h"

namespace scalekv::cache {

KeepPlan::KeepPlan(const CacheGeometry& geometry, const Budget& budget, bool keep_last) : geometry_(geometry) {
  budget.check_fits(geometry);
  after_.resize(static_cast<std::size_t>(geometry.scale_count() * geometry.layers * geometry.heads));
  for (int layer = 0; layer < geometry.layers; ++layer) {
    for (int head = 0; head < geometry.heads; ++head) {
      std::int64_t length = 0;
      bool exceeded = false;
      for (int scale = 0; scale < geometry.scale_count(); ++scale) {
        length += geometry.map_tokens(scale);
        exceeded = exceeded || length > budget.base();
        if (exceeded) length = std::min(length, budget.capacity_after(scale, layer, head));
        if (scale + 1 == geometry.scale_count() && !keep_last) length = 0;
        after_[index(scale, layer, head)] = length;
      }
    }
  }
}

std::size_t KeepPlan::index(int scale, int layer, int head) const {
  return static_cast<std::size_t>((scale * geometry_.layers + layer) * geometry_.heads + head);
}

std::int64_t KeepPlan::before(int scale, int layer, int head) const {
  return scale == 0 ? 0 : after_[index(scale - 1, layer, head)];
}

std::int64_t KeepPlan::after(int scale, int layer, int head) const { return after_[index(scale, layer, head)]; }

bool KeepPlan::keeps_all(int scale, int layer) const {
  for (int head = 0; head < geometry_.heads; ++head) {
    if (after(scale, layer, head) != before(scale, layer, head) + geometry_.map_tokens(scale)) return false;
  }
  return true;
}

bool KeepPlan::any_scratch(int scale) const {
  for (int layer = 0; layer < geometry_.layers; ++layer) {
    if (!keeps_all(scale, layer)) return true;
  }
  return false;
}

std::int64_t KeepPlan::reserve(int scale, int layer, int head) const {
  std::int64_t length = before(scale, layer, head);
  for (int s = scale; s < geometry_.scale_count() && keeps_all(s, layer); ++s) length = after(s, layer, head);
  return length;
}

KvBytes predict_kv_bytes(const KeepPlan& plan, std::int64_t sequences, const std::vector<std::int64_t>& group,
                         kernels::KvPrecision precision) {
  const CacheGeometry& geometry = plan.geometry();
  const std::int64_t token_bytes = 2 * geometry.head_size * kernels::kv_element_bytes(precision);  // one head's
  const std::int64_t grid_bytes = geometry.heads * kernels::kv_grid_bytes(precision, geometry.head_size);
  const std::int64_t grids = sequences * geometry.layers * grid_bytes;
  std::vector<std::int64_t> held(static_cast<std::size_t>(geometry.layers), 0);  // tokens x heads of one sequence
  std::int64_t sum = 0;
  KvBytes bytes;
  const auto set_held = [&](int layer, std::int64_t tokens) {
    auto& mine = held[static_cast<std::size_t>(layer)];
    sum += tokens - mine;
    mine = tokens;
  };
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    const std::int64_t map = geometry.map_tokens(scale) * geometry.heads;
    const std::int64_t maps = plan.any_scratch(scale) ? group[static_cast<std::size_t>(scale)] : 0;  // in the scratch
    const std::int64_t scratch = maps * (map * token_bytes + grid_bytes);
    bytes.final = grids + sequences * sum * token_bytes;
    for (int layer = 0; layer < geometry.layers; ++layer) {
      std::int64_t wanted = 0;
      for (int head = 0; head < geometry.heads; ++head) {
        wanted += plan.keeps_all(scale, layer) ? plan.reserve(scale, layer, head) : plan.after(scale, layer, head);
      }
      const std::int64_t before = held[static_cast<std::size_t>(layer)];
      set_held(layer, std::max(before, wanted));
      bytes.peak = std::max(bytes.peak, grids + sequences * sum * token_bytes + scratch);
      set_held(layer, wanted);
    }
  }
  return bytes;
}

double paper_kv_mebibytes(const KeepPlan& plan) {
  constexpr std::int64_t kSequences = 16, kKeyAndValueBytes = 4 + 2;
  const CacheGeometry& geometry = plan.geometry();
  std::int64_t tokens = 0;  // x layers x heads
  for (int layer = 0; layer < geometry.layers; ++layer) {
    for (int head = 0; head < geometry.heads; ++head) tokens += plan.before(geometry.scale_count() - 1, layer, head);
  }
  return static_cast<double>(tokens * geometry.head_size * kKeyAndValueBytes * kSequences) / (1024.0 * 1024.0);
}

}  // namespace scalekv::cache
