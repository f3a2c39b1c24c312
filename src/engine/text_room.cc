#include "engine/text_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

#include "runtime/available_memory.h"

namespace scalekv::engine {
namespace {

constexpr std::int32_t kEnd = 1, kFirstByte = 3;  // every T5 has </s> at 1

std::vector<std::int32_t> encode_bytes(std::string_view prompt) {
  std::vector<std::int32_t> ids;
  for (const char byte : prompt) ids.push_back(kFirstByte + static_cast<std::uint8_t>(byte));
  ids.push_back(kEnd);
  return ids;
}

// Enough of a prompt to know it by.
std::string beginning_of(std::string_view prompt) {
  std::size_t end = 40;
  if (prompt.size() <= end) return std::string(prompt);
  while (end > 0 && (static_cast<unsigned char>(prompt[end]) & 0xC0U) == 0x80U) --end;  // within a character
  return std::string(prompt.substr(0, end)) + "...";
}

}  // namespace

PromptTokenizer::PromptTokenizer(const std::string& model, std::int64_t vocabulary, Warn warn)
    : warn_(std::move(warn)) {
  if (model.empty()) return;
  tokenizer_.emplace(model, 0);
  const auto sentinels =
      static_cast<int>(std::clamp<std::int64_t>(vocabulary - tokenizer_->vocabulary_size(), 0, text::kSentinels));
  if (sentinels > 0) tokenizer_.emplace(model, sentinels);
}

PromptTokens PromptTokenizer::cut(std::string_view prompt) const {
  PromptTokens tokens{tokenizer_ ? tokenizer_->encode(prompt) : encode_bytes(prompt)};
  tokens.cut = std::max<std::int64_t>(0, std::ssize(tokens.ids) - text::kMaxPromptTokens);
  if (tokens.cut == 0) return tokens;
  const std::int32_t end = tokens.ids.back();
  tokens.ids.resize(text::kMaxPromptTokens);
  tokens.ids.back() = end;
  return tokens;
}

PromptTokens PromptTokenizer::read(std::string_view prompt) const {
  PromptTokens tokens = cut(prompt);
  if (tokens.cut > 0 && warn_) {
    warn_(fmt::format("the prompt \"{}\" has {} tokens; a model reads {}, so that the last {} are left out",
                      beginning_of(prompt), std::ssize(tokens.ids) + tokens.cut, text::kMaxPromptTokens, tokens.cut));
  }
  return tokens;
}

std::int64_t PromptTokenizer::count(std::string_view prompt) const { return std::ssize(cut(prompt).ids); }

std::string PromptTokenizer::piece(std::int32_t id) const {
  if (tokenizer_) return tokenizer_->piece(id);
  return id < kFirstByte ? "</s>" : fmt::format("<0x{:02X}>", id - kFirstByte);
}

TextEncoder::TextEncoder(formats::WeightMap weights, WeightType type, bool keep)
    : config_(model::infer_t5_config(weights)), weights_(std::move(weights)), type_(type), keep_(keep) {}

void TextEncoder::load() const {
  if (loaded_) return;
  formats::WeightMap weights = weights_;
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

TextList::TextList(std::vector<std::string> texts) : texts_(std::move(texts)) {
  for (std::size_t i = 0; i < texts_.size(); ++i) again_.try_emplace(texts_[i], Uses{i, i}).first->second.last = i;
  std::erase_if(again_, [](const auto& text) { return text.second.first == text.second.last; });
}

std::vector<std::string> TextList::wanted(std::size_t i) const {
  std::vector<std::string> texts = {texts_.at(i)};
  for (const auto& [text, uses] : again_) {
    if (uses.first < i && i < uses.last && text != texts.front()) texts.push_back(text);
  }
  return texts;
}

std::int64_t TextList::held_tokens(const PromptTokenizer& tokenizer) const {
  std::vector<std::int64_t> change(texts_.size(), 0);
  for (const auto& [text, uses] : again_) {
    const std::int64_t tokens = tokenizer.count(text);
    change[uses.first + 1] += tokens;
    change[uses.last] -= tokens;
  }
  std::partial_sum(change.begin(), change.end(), change.begin());
  return change.empty() ? 0 : *std::max_element(change.begin(), change.end());
}

std::string with_face_prompt(const std::string& prompt) {
  constexpr std::array<std::string_view, 22> kPersons = {
      "man",    "woman",   "men",         "women",       "boy",      "girl",    "child",  "person",
      "human",  "adult",   "teenager",    "employee",    "employer", "worker",  "mother", "father",
      "sister", "brother", "grandmother", "grandfather", "son",      "daughter"};
  const bool named = std::any_of(kPersons.begin(), kPersons.end(),
                                 [&](std::string_view person) { return prompt.find(person) != std::string::npos; });
  if (!named) return prompt;
  return prompt + ". very smooth faces, good looking faces, face to the camera, perfect facial features";
}

std::string encoded_prompt(const Request& request) {
  return request.face_prompt ? with_face_prompt(request.prompt) : request.prompt;
}

}  // namespace scalekv::engine
