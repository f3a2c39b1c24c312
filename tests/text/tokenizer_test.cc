#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/failure.h"
#include "text/fixtures.h"
#include "text/utf8.h"

namespace scalekv::text {
namespace {

using testing::failure_of;
using Ids = std::vector<std::int32_t>;

std::string repeat(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

class TokenizerTest : public ::testing::Test {
 protected:
  Tokenizer tokenizer_{read_fixture("spiece.model")};
};

TEST_F(TokenizerTest, IdsAreThoseOfHuggingFace) {
  const auto prompts = nlohmann::json::parse(read_fixture("prompts.json"));
  ASSERT_GE(prompts.size(), 300U);
  for (const auto& prompt : prompts) {
    const auto text = repeat(prompt.at("text").get<std::string>(), prompt.at("repeat").get<int>());
    EXPECT_EQ(tokenizer_.encode(text), prompt.at("ids").get<Ids>()) << prompt.at("text");
  }
}

TEST_F(TokenizerTest, CutsToFewTokensAndKeepsTheEnd) {
  const Ids whole = tokenizer_.encode("a red circle");
  ASSERT_GT(whole.size(), 4U);
  EXPECT_EQ(whole.back(), 1);
  EXPECT_EQ(tokenizer_.encode("a red circle", 4), (Ids{whole[0], whole[1], whole[2], 1}));
  EXPECT_EQ(tokenizer_.encode("a red circle", 1), (Ids{1}));
  EXPECT_EQ(tokenizer_.encode("", 512), (Ids{1}));
}

TEST_F(TokenizerTest, SentinelsBeyondTheVocabularyAreText) {
  const Tokenizer bare(read_fixture("spiece.model"), 0);
  EXPECT_EQ(tokenizer_.encode("<extra_id_0>"), (Ids{tokenizer_.vocabulary_size() + 99, 1}));
  EXPECT_GT(bare.encode("<extra_id_0>").size(), 2U);
  for (const std::int32_t id : bare.encode("<extra_id_0> <extra_id_99>")) EXPECT_LT(id, bare.vocabulary_size());
}

TEST_F(TokenizerTest, InvalidUtf8NamesTheByte) {
  const std::string message = failure_of([&] { static_cast<void>(tokenizer_.encode("abc\xC3")); });
  EXPECT_EQ(message, "the prompt is not valid UTF-8 at byte 3");
}

TEST(TokenizerModel, OtherBytesAreRefused) {
  const std::string model = read_fixture("spiece.model");
  for (const std::string& bytes : {std::string(), std::string("not a model"), model.substr(0, model.size() / 2)}) {
    EXPECT_NE(failure_of([&] { Tokenizer tokenizer(bytes); }).find("download spiece.model again"), std::string::npos);
  }
}

// A piece of NUL characters makes the library throw an exception of its own.
TEST(TokenizerModel, PiecesOfNulAreRefused) {
  std::string model = read_fixture("spiece.model");
  const std::string piece = "\xE2\x96\x81\x15";  // the space's, and the tag of its score
  const std::size_t at = model.find(piece);
  ASSERT_NE(at, std::string::npos);
  model.replace(at, 3, 3, '\0');
  EXPECT_NE(failure_of([&] { Tokenizer tokenizer(model); }).find("download spiece.model again"), std::string::npos);
}

TEST(Utf8, FindsTheFirstInvalidByte) {
  constexpr std::size_t kValid = std::string_view::npos;
  EXPECT_EQ(find_invalid_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), kValid);
  EXPECT_EQ(find_invalid_utf8(std::string_view("\0", 1)), kValid);
  EXPECT_EQ(find_invalid_utf8("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"), kValid);
  EXPECT_EQ(find_invalid_utf8("ab\x80"), 2U);            // a continuation byte alone
  EXPECT_EQ(find_invalid_utf8("\xC0\xAF"), 0U);          // overlong
  EXPECT_EQ(find_invalid_utf8("a\xE0\x9F\xBF"), 1U);     // overlong
  EXPECT_EQ(find_invalid_utf8("\xF0\x8F\xBF\xBF"), 0U);  // overlong
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0U);      // a surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0U);  // beyond U+10FFFF
  EXPECT_EQ(find_invalid_utf8("\xC3\xA9\xE2\x82"), 2U);  // cut short
  EXPECT_EQ(find_invalid_utf8("\xFF"), 0U);
}

TEST(Utf8, StripsWhatPythonStrips) {
  EXPECT_EQ(strip_left(" \t\u3000\u2028 a "), "a ");
  EXPECT_EQ(strip_right(" a \n\u00A0\x1C"), " a");
  EXPECT_EQ(strip_left("\u200Ba"), "\u200Ba");  // zero width space is none
  EXPECT_EQ(strip_right(" \u2003 "), "");
}

}  // namespace
}  // namespace scalekv::text
