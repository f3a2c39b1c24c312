#include "pipeline/text_room.h"

#include <algorithm>
#include <utility>

#include "core/freed_memory.h"

namespace scalekv::pipeline {

PromptTokenizer::PromptTokenizer(const std::string& model, std::int64_t vocabulary) {
  if (model.empty()) return;
  tokenizer_.emplace(model, 0);
  const auto sentinels =
      static_cast<int>(std::clamp<std::int64_t>(vocabulary - tokenizer_->vocabulary_size(), 0, text::kSentinels));
  if (sentinels > 0) tokenizer_.emplace(model, sentinels);
}

std::vector<std::int32_t> PromptTokenizer::encode(std::string_view prompt) const {
  if (tokenizer_) return tokenizer_->encode(prompt);
  constexpr std::int32_t kEnd = 1, kFirstByte = 3;
  std::vector<std::int32_t> ids;
  for (const char byte : prompt.substr(0, text::kMaxPromptTokens - 1)) {
    ids.push_back(kFirstByte + static_cast<std::uint8_t>(byte));
  }
  ids.push_back(kEnd);
  return ids;
}

TextEncoder::TextEncoder(checkpoint::WeightMap weights, WeightType type, bool keep)
    : config_(text::infer_t5_config(weights)), weights_(std::move(weights)), type_(type), keep_(keep) {}

void TextEncoder::load() const {
  if (loaded_) return;
  checkpoint::WeightMap weights = weights_;
  loaded_.emplace(config_, weights, type_);
}

Tensor TextEncoder::encode(std::span<const std::int32_t> ids) const {
  load();
  return loaded_->encode(ids);
}

void TextEncoder::release() const {
  if (keep_ || !loaded_) return;
  loaded_.reset();
  return_freed_memory();
}

}  // namespace scalekv::pipeline
