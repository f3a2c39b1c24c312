#include "cache/observed_queries.h"

#include <algorithm>

#include "base/error.h"

namespace scalekv::cache {

SelectionFacts selection_facts(const KeepPlan& plan, int scale, int layer, int head) {
  return {.scale = scale,
          .layer = layer,
          .head = head,
          .map = plan.geometry().scales[static_cast<std::size_t>(scale)],
          .history = plan.before(scale, layer, head),
          .capacity = plan.after(scale, layer, head)};
}

ObservedQueries::ObservedQueries(const Selector* selector, const KeepPlan& plan, int scale, int layer,
                                 std::int64_t slots)
    : selector_(selector), plan_(plan), scale_(scale) {
  const int heads = plan.geometry().heads;
  positions_.resize(static_cast<std::size_t>(heads));
  for (int head = 0; head < heads; ++head) {
    const SelectionFacts known = selection_facts(plan, scale, layer, head);
    first_row_.push_back(rows_per_slot_);
    if (known.capacity == 0 || known.capacity == known.tokens()) continue;
    SCALEKV_ASSERT(selector_ != nullptr);
    if (selector_->query_form() == QueryForm::none) continue;
    auto& mine = positions_[static_cast<std::size_t>(head)];
    mine = selector_->observed_queries(known);
    rows_per_slot_ += static_cast<std::int64_t>(mine.size());
  }
  if (rows_per_slot_ > 0) {
    rows_ = Tensor(DType::f32, {slots, rows_per_slot_, plan.geometry().head_size}, MemoryKind::activations);
  }
}

void ObservedQueries::gather(QueryForm form, View<const float> query_key_value) {
  if (rows_per_slot_ == 0 || selector_->query_form() != form) return;
  const std::int64_t tokens = plan_.geometry().map_tokens(scale_);
  const std::int64_t size = plan_.geometry().head_size;
  const View<float> rows = rows_.view<float>();
  for (std::int64_t slot = 0; slot < rows.size(0); ++slot) {
    for (std::size_t head = 0; head < positions_.size(); ++head) {
      for (std::size_t i = 0; i < positions_[head].size(); ++i) {
        const float* query =
            query_key_value.at(slot * tokens + positions_[head][i], static_cast<std::int64_t>(head) * size);
        std::copy_n(query, size, rows.at(slot, first_row_[head] + static_cast<std::int64_t>(i), 0));
      }
    }
  }
}

View<const float> ObservedQueries::queries(std::int64_t slot, int head) const {
  const auto h = static_cast<std::size_t>(head);
  if (positions_[h].empty()) return {};
  const std::int64_t first = first_row_[h];
  const std::int64_t count = static_cast<std::int64_t>(positions_[h].size());
  return rows_.view<float>()[slot].slice(0, first, first + count);
}

std::int64_t predict_observed_bytes(const Selector* selector, const KeepPlan& plan, int scale, std::int64_t slots) {
  std::int64_t rows = 0;
  for (int layer = 0; layer < plan.geometry().layers; ++layer) {
    rows = std::max(rows, ObservedQueries(selector, plan, scale, layer, 0).rows_per_slot());
  }
  return slots * rows * plan.geometry().head_size * std::int64_t{sizeof(float)};
}

}  // namespace scalekv::cache
