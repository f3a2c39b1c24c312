// A vocabulary, searched for the pieces that a text starts with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::text {

struct Piece {
  std::string text;  // UTF-8, not empty
  std::int32_t id = 0;
  double score = 0.0;
};

class PieceTable {
 public:
  // Of several pieces with one text the last counts.
  explicit PieceTable(std::vector<Piece> pieces);

  const std::vector<Piece>& pieces() const { return pieces_; }

  // Calls visit(piece) for every piece that `text` starts with, the shortest first.
  template <typename Visit>
  void visit_prefixes(std::string_view text, const Visit& visit) const {
    Range range{pieces_.data(), pieces_.data() + pieces_.size()};
    for (std::size_t length = 0; length < text.size() && range.begin != range.end; ++length) {
      range = narrow(range, length, text[length]);
      if (range.begin != range.end && range.begin->text.size() == length + 1) visit(*range.begin++);
    }
  }

 private:
  struct Range {
    const Piece *begin, *end;
  };
  // Those pieces of a range that have `byte` at `at`; all of them are longer than `at` and alike before it.
  static Range narrow(Range range, std::size_t at, char byte);

  std::vector<Piece> pieces_;  // sorted by text, byte by byte
};

}  // namespace scalekv::text
