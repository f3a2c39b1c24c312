#include "text/tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>

#include "core/error.h"

namespace scalekv::text {
namespace {

constexpr std::int32_t kEndId = 1;  // </s>

// The byte at which `text` stops being UTF-8, or npos.
std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
    if (length == 0 || i + length > text.size()) return i;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return i;
    }
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second >= 0xA0;
    const bool beyond = lead == 0xF4 && second >= 0x90;
    if (overlong || surrogate || beyond) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace

struct Tokenizer::Impl {
  sentencepiece::SentencePieceProcessor processor;
};

Tokenizer::Tokenizer(std::string_view model) : impl_(std::make_unique<Impl>()) {
  const auto status = impl_->processor.LoadFromSerializedProto({model.data(), model.size()});
  if (!status.ok()) fail("the tokenizer is not a SentencePiece model ({}); download spiece.model again", status.ToString());
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

int Tokenizer::vocabulary_size() const { return impl_->processor.GetPieceSize(); }

std::vector<std::int32_t> Tokenizer::encode(std::string_view prompt, int max_tokens) const {
  SCALEKV_ASSERT(max_tokens >= 1);
  const std::size_t invalid = find_invalid_utf8(prompt);
  if (invalid != std::string_view::npos) fail_usage("the prompt is not valid UTF-8 at byte {}", invalid);
  std::vector<int> ids;
  const auto status = impl_->processor.Encode({prompt.data(), prompt.size()}, &ids);
  if (!status.ok()) fail("the prompt cannot be tokenized: {}", status.ToString());
  ids.resize(std::min(ids.size(), static_cast<std::size_t>(max_tokens - 1)));
  ids.push_back(kEndId);
  return {ids.begin(), ids.end()};
}

}  // namespace scalekv::text
