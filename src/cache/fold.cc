#include "cache/fold.h"

#include <cmath>

namespace scalekv::cache {

Fold fold_dropped(const SelectionInput& input, std::span<const std::int32_t> kept, std::int32_t slot) {
  std::vector<double> key(static_cast<std::size_t>(input.head_size), 0.0);
  std::vector<double> value(key.size(), 0.0);
  double count = 0.0;
  const CacheRows rows(input);
  std::vector<float> token_key(key.size());
  std::vector<float> token_value(key.size());
  std::size_t next = 0;  // of kept
  for (std::int64_t index = 0; index < input.history.count + input.map.count; ++index) {
    const bool stays = next < kept.size() && kept[next] == index;
    if (stays) ++next;
    if (stays && index != slot) continue;
    rows.key(index, token_key.data());
    rows.value(index, token_value.data());
    const double weight = input.stands_for(index);
    for (std::size_t d = 0; d < key.size(); ++d) {
      key[d] += weight * double{token_key[d]};
      value[d] += weight * double{token_value[d]};
    }
    count += weight;
  }
  Fold fold{.key = {}, .value = {}, .log_count = static_cast<float>(std::log(count))};
  for (const double sum : key) fold.key.push_back(static_cast<float>(sum / count));
  for (const double sum : value) fold.value.push_back(static_cast<float>(sum / count));
  return fold;
}

}  // namespace scalekv::cache
