#include "text/unigram.h"

#include <gtest/gtest.h>

#include "text/special_tokens.h"

namespace scalekv::text {
namespace {

using Ids = std::vector<std::int32_t>;

Ids encode(const std::vector<Piece>& pieces, std::string_view word) {
  Ids ids = {7};  // which stays in front
  Unigram(pieces, 0).encode(word, ids);
  EXPECT_EQ(ids.front(), 7);
  return {ids.begin() + 1, ids.end()};
}

// 0 is unknown. Scores as logarithms of probabilities.
const std::vector<Piece> kPieces = {{"<unk>", 0, 0.0}, {"-", 1, -3.0},  {"--", 2, -4.0},
                                    {"a", 3, -2.0},    {"ab", 4, -5.0}, {"b", 5, -3.5}};

TEST(Unigram, TakesTheLikeliestWay) {
  EXPECT_EQ(encode(kPieces, "ab"), (Ids{4}));  // -5 rather than -5.5
  EXPECT_EQ(encode(kPieces, "aba--b"), (Ids{4, 3, 2, 5}));
  EXPECT_EQ(encode(kPieces, ""), (Ids{}));
}

TEST(Unigram, OfEqualWaysTheOneWithTheLongestLastPiece) {
  EXPECT_EQ(encode(kPieces, "---"), (Ids{1, 2}));  // not {2, 1}
  EXPECT_EQ(encode(kPieces, "-----"), (Ids{1, 2, 2}));
}

TEST(Unigram, ARunOfUnknownCharactersIsOneId) {
  EXPECT_EQ(encode(kPieces, "xyz"), (Ids{0}));
  EXPECT_EQ(encode(kPieces, "\u00e9\u65e5a\U0001f600x"), (Ids{0, 3, 0}));
  EXPECT_EQ(encode(kPieces, "<unk><unk>x"), (Ids{0}));  // the text of the unknown piece is unknown, too
}

// float32 would add 2^24 + 1 + 1 to 2^24 and call it a tie with 2^24 + 1.
TEST(Unigram, AddsInDoublePrecision) {
  const std::vector<Piece> pieces = {
      {"<unk>", 0, 0.0}, {"a", 1, 16777216.0}, {"b", 2, 1.0}, {"c", 3, 1.0}, {"bc", 4, 1.0}};
  EXPECT_EQ(encode(pieces, "abc"), (Ids{1, 2, 3}));
}

TEST(SpecialTokens, TheLongestOfThoseThatBeginFirst) {
  const SpecialTokens tokens({{"<a", 1}, {"<a>", 2}, {"a>b", 3}});
  std::vector<std::pair<std::string_view, std::int32_t>> found;
  for (const Span& span : tokens.split("x<a>b<ay<<a>")) found.emplace_back(span.text, span.id.value_or(0));
  using Pairs = decltype(found);
  EXPECT_EQ(found, (Pairs{{"x", 0}, {"<a>", 2}, {"b", 0}, {"<a", 1}, {"y<", 0}, {"<a>", 2}}));
  EXPECT_TRUE(tokens.split("").empty());
}

}  // namespace
}  // namespace scalekv::text
