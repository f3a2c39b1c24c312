#include "engine/encoded_texts.h"

#include <algorithm>
#include <utility>

namespace scalekv::engine {

void EncodedTexts::keep_only(std::span<const Ids> texts) {
  std::erase_if(features_,
                [&](const auto& held) { return std::find(texts.begin(), texts.end(), held.first) == texts.end(); });
}

std::vector<View<const float>> EncodedTexts::encode(const TextEncoder& encoder, std::span<const Ids> texts) {
  keep_only(texts);
  std::vector<View<const float>> views;
  for (const Ids& ids : texts) {
    views.emplace_back();
    if (ids.empty()) continue;
    auto found = features_.find(ids);
    if (found == features_.end()) found = features_.emplace(ids, encoder.encode(ids)).first;
    views.back() = std::as_const(found->second).view<float>();
  }
  encoder.release();
  return views;
}

}  // namespace scalekv::engine
