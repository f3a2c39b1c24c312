#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "model/bundle.h"
#include "support/failure.h"
#include "text/fixtures.h"

namespace scalekv::text {
namespace {

using testing::failure_of;
using Ids = std::vector<std::int32_t>;

std::string repeat(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

// The model that is built in, from its file.
std::string embedded_model() {
  return model::open_bundle({.model = SCALEKV_SOURCE_DIR "/models/shapes-7s.safetensors"}).tokenizer;
}

// As tokenizer_fixtures.py writes them: the number of ids, a checksum of all, and the first ones.
Ids summary_of(const Ids& ids, std::size_t shown) {
  std::int64_t checksum = 0;
  for (const std::int32_t id : ids) checksum = (checksum * 31 + id) % 1000003;
  Ids summary = {static_cast<std::int32_t>(ids.size()), static_cast<std::int32_t>(checksum)};
  summary.insert(summary.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), shown)));
  return summary;
}

class TokenizerTest : public ::testing::Test {
 protected:
  Tokenizer tokenizer_{read_fixture("spiece.model")};
};

TEST(TokenizerFixtures, IdsAreThoseOfTheFastTokenizer) {
  const auto prompts = nlohmann::json::parse(read_fixture("tokens.json"));
  ASSERT_GE(prompts.size(), 1200U);
  const std::map<std::string, std::string> models = {
      {"spiece", read_fixture("spiece.model")}, {"odd", read_fixture("odd.model")}, {"embedded", embedded_model()}};
  for (const auto& [name, model] : models) {
    const Tokenizer tokenizer(model);
    for (const auto& prompt : prompts) {
      const Ids expected = prompt.at(name);
      const auto text = repeat(prompt.at("text").get<std::string>(), prompt.at("repeat").get<int>());
      EXPECT_EQ(summary_of(tokenizer.encode(text), expected.size() - 2), expected) << name << ": " << prompt.at("text");
    }
  }
}

TEST_F(TokenizerTest, AnEmptyPromptIsTheEnd) {
  EXPECT_EQ(tokenizer_.encode(""), (Ids{1}));
  EXPECT_EQ(tokenizer_.encode(" \n\t "), (Ids{1}));
  EXPECT_EQ(tokenizer_.encode("</s>"), (Ids{1, 1}));
}

TEST_F(TokenizerTest, PiecesHaveTheirTexts) {
  EXPECT_EQ(tokenizer_.piece(0), "<pad>");
  EXPECT_EQ(tokenizer_.piece(tokenizer_.vocabulary_size()), "<extra_id_99>");
  std::string text;
  for (const std::int32_t id : tokenizer_.encode("a red circle")) text += tokenizer_.piece(id);
  EXPECT_EQ(text, "\u2581a\u2581red\u2581circle</s>");
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

TEST(TokenizerModel, OtherVocabulariesAreRefused) {
  const std::string model = read_fixture("spiece.model");
  const auto renamed = [&](const std::string& piece, const std::string& name) {
    std::string other = model;
    other.replace(other.find(piece), piece.size(), name);
    return failure_of([&] { Tokenizer tokenizer(other); });
  };
  EXPECT_EQ(renamed("</s>", "<-s>"), "the tokenizer has no piece </s>; it is not one of T5");
  EXPECT_EQ(renamed("<pad>", "<gap>"), "the tokenizer has no piece <pad>; it is not one of T5");
  EXPECT_EQ(renamed("<unk>", "<odd>"), "the tokenizer has no piece <unk>; it is not one of T5");
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

TEST(Utf8, StripsWhiteSpace) {
  EXPECT_EQ(strip_right(" a \n\u00A0\u0085\u3000\u2028"), " a");
  EXPECT_EQ(strip_right("a \x1C"), "a \x1C");    // a control that Python takes for white space, Unicode does not
  EXPECT_EQ(strip_right("a\u200B"), "a\u200B");  // zero width space is none
  EXPECT_EQ(strip_right(" \u2003 "), "");
}

}  // namespace
}  // namespace scalekv::text
