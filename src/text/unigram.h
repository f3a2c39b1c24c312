// The most likely pieces of a word: a unigram language model, Kudo 2018, arXiv 1804.10959.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/piece_table.h"

namespace scalekv::text {

// The ids are those of Hugging Face's library `tokenizers`, which differ from SentencePiece's: scores are added in
// double precision; where two ways to cut a word have one score, the one with the longest last piece is taken; and the
// texts of special tokens are pieces like all others.
class Unigram {
 public:
  // unknown: the id of characters that are no piece.
  Unigram(std::vector<Piece> pieces, std::int32_t unknown);

  // Appends the ids of a word. A run of unknown characters is one id. word: valid UTF-8.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  PieceTable pieces_;
  std::int32_t unknown_;
  double unknown_score_;
};

}  // namespace scalekv::text
