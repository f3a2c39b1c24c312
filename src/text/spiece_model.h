// Reads a SentencePiece model: https://github.com/google/sentencepiece, src/sentencepiece_model.proto.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/piece_table.h"

namespace scalekv::text {

struct SpieceModel {
  std::vector<Piece> pieces;           // by id; no two have one text
  std::vector<std::int32_t> controls;  // those of them that stand for no text
  std::int32_t unknown = -1;           // that of characters which are no piece
  std::string_view rewrites;           // the normalizer's table (rewrites.h), a part of the bytes; empty: none
};

// Throws Error where the bytes are no such model, are damaged, or are a model of another kind than unigram.
SpieceModel read_spiece_model(std::string_view bytes);

// Throws the Error of a model that is damaged.
template <typename... Args>
[[noreturn]] void refuse_model(fmt::format_string<Args...> why, Args&&... args) {
  fail("the tokenizer is not a sound SentencePiece model ({}); download spiece.model again",
       fmt::format(why, std::forward<Args>(args)...));
}

}  // namespace scalekv::text
