// What the fuzzer of tokenizer models and the test that replays its corpus do with one input.
#pragma once

#include <string_view>

#include "text/tokenizer.h"

namespace scalekv::text {

// A SentencePiece model, and prompts that go through its rewrites, its pieces and its special tokens.
inline void read_as_tokenizer(std::string_view bytes) {
  const Tokenizer tokenizer(bytes);
  for (const char* prompt :
       {"a red circle", "\u00c4\u217b\ufdfa 12  x", "one <extra_id_0> two</s>", "e\u0301\u0301 \u00aa\u0301----"}) {
    static_cast<void>(tokenizer.encode(prompt));
  }
}

}  // namespace scalekv::text
