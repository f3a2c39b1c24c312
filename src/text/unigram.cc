#include "text/unigram.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"

namespace scalekv::text {
namespace {

// The best way to cut a word up to a place: its score, and its last piece.
struct Way {
  double score = 0.0;
  std::int32_t id = 0;
  std::size_t start = std::string_view::npos;  // of the last piece; npos: no way leads here
};

double least_score(const std::vector<Piece>& pieces) {
  double least = std::numeric_limits<double>::infinity();
  for (const Piece& piece : pieces) least = std::min(least, piece.score);
  return least;
}

}  // namespace

Unigram::Unigram(std::vector<Piece> pieces, std::int32_t unknown)
    : pieces_(std::move(pieces)), unknown_(unknown), unknown_score_(least_score(pieces_.pieces()) - 10.0) {}

void Unigram::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  std::vector<Way> ways(word.size() + 1);
  for (std::size_t start = 0; start < word.size();) {
    const double before = ways[start].score;
    const auto offer = [&](std::size_t length, std::int32_t id, double score) {
      Way& way = ways[start + length];
      if (way.start == std::string_view::npos || before + score > way.score) way = {before + score, id, start};
    };
    const std::size_t character = character_length(word[start]);
    bool known = false;
    pieces_.visit_prefixes(word.substr(start), [&](const Piece& piece) {
      offer(piece.text.size(), piece.id, piece.score);
      known = known || piece.text.size() == character;
    });
    if (!known) offer(character, unknown_, unknown_score_);
    start += character;
  }
  const auto first = static_cast<std::ptrdiff_t>(ids.size());
  for (std::size_t end = word.size(); end > 0; end = ways[end].start) {
    const std::int32_t id = ways[end].id;
    const bool continues = id == unknown_ && end < word.size() && ids.back() == unknown_;
    if (!continues) ids.push_back(id);
  }
  std::reverse(ids.begin() + first, ids.end());
}

}  // namespace scalekv::text
