// Prompt -> token ids, as Hugging Face's fast T5 tokenizer (T5TokenizerFast with legacy=True) gives them where it is
// made from spiece.model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::text {

inline constexpr int kMaxPromptTokens = 512;
// Sentinels "<extra_id_0>".."<extra_id_99>" that T5's vocabulary has above the pieces, in falling order.
inline constexpr int kSentinels = 100;

class Tokenizer {
 public:
  // model: the bytes of a SentencePiece model (spiece.model). extra_ids: how many sentinels a prompt may hold; those
  // beyond are ordinary text. Throws Error where the bytes are no such model, are damaged, or lack </s>, <pad> or
  // <unk>.
  explicit Tokenizer(std::string_view model, int extra_ids = kSentinels);
  ~Tokenizer();

  // Ids of the whole prompt with </s> appended. An empty prompt gives </s> alone. Special tokens in the prompt become
  // their own ids, and each stretch of text between them starts anew. Throws UsageError on invalid UTF-8, naming the
  // byte.
  std::vector<std::int32_t> encode(std::string_view prompt) const;

  // Pieces of the model, without the sentinels.
  int vocabulary_size() const;
  // The text of an id that encode() gave.
  std::string piece(std::int32_t id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace scalekv::text
