// Prompt -> token ids, as Hugging Face's (legacy, slow) T5Tokenizer gives them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::text {

inline constexpr int kMaxPromptTokens = 512;

class Tokenizer {
 public:
  // model: the bytes of a SentencePiece model (spiece.model). Throws Error where they are none.
  explicit Tokenizer(std::string_view model);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Ids of the prompt with </s> appended, cut to max_tokens ids in all (</s> stays). An empty prompt gives </s> alone.
  // Throws Error on invalid UTF-8, naming the byte.
  std::vector<std::int32_t> encode(std::string_view prompt, int max_tokens = kMaxPromptTokens) const;

  int vocabulary_size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace scalekv::text
