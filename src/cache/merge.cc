#include "cache/merge.h"

#include <cmath>

namespace scalekv::cache {

Fold fold_dropped(const SelectionInput& input, std::span<const std::int32_t> kept, std::int32_t slot,
                  std::int64_t head_size) {
  std::vector<double> key(static_cast<std::size_t>(head_size), 0.0);
  std::vector<double> value(static_cast<std::size_t>(head_size), 0.0);
  double count = 0.0;
  const std::int64_t history = input.history.count;
  std::size_t next = 0;  // of kept
  for (std::int64_t index = 0; index < history + input.map.count; ++index) {
    const bool stays = next < kept.size() && kept[next] == index;
    if (stays) ++next;
    if (stays && index != slot) continue;
    const bool old = index < history;
    const kernels::KeyValueSegment& segment = old ? input.history : input.map;
    const std::int64_t row = (old ? index : index - history) * segment.stride;
    const double weight = index == input.folded.index ? std::exp(double{input.folded.log_count}) : 1.0;
    for (std::int64_t d = 0; d < head_size; ++d) {
      key[static_cast<std::size_t>(d)] += weight * double{segment.keys[row + d]};
      value[static_cast<std::size_t>(d)] += weight * double{segment.values[row + d]};
    }
    count += weight;
  }
  Fold fold{.key = {}, .value = {}, .log_count = static_cast<float>(std::log(count))};
  for (const double sum : key) fold.key.push_back(static_cast<float>(sum / count));
  for (const double sum : value) fold.value.push_back(static_cast<float>(sum / count));
  return fold;
}

}  // namespace scalekv::cache
