#include "text/piece_table.h"

#include <algorithm>

namespace scalekv::text {

PieceTable::PieceTable(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {
  std::reverse(pieces_.begin(), pieces_.end());
  std::stable_sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) { return a.text < b.text; });
  const auto alike = [](const Piece& a, const Piece& b) { return a.text == b.text; };
  pieces_.erase(std::unique(pieces_.begin(), pieces_.end(), alike), pieces_.end());
}

PieceTable::Range PieceTable::narrow(Range range, std::size_t at, char byte) {
  const auto value = [](char c) { return static_cast<unsigned char>(c); };
  const auto below = [&](const Piece& piece) { return value(piece.text[at]) < value(byte); };
  const auto not_above = [&](const Piece& piece) { return value(piece.text[at]) <= value(byte); };
  const Piece* begin = std::partition_point(range.begin, range.end, below);
  return {begin, std::partition_point(begin, range.end, not_above)};
}

}  // namespace scalekv::text
