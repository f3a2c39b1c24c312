#include "engine/text_room.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace scalekv::engine {
namespace {

constexpr std::int64_t kVocabulary = 560;  // 460 pieces and 100 sentinels

std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "a ";
  return text;
}

TEST(PromptTokenizer, CutsAtTheModelsLimitAndSaysSo) {
  std::vector<std::string> warnings;
  const PromptTokenizer tokenizer(text::read_fixture("spiece.model"), kVocabulary,
                                  [&](const std::string& sentence) { warnings.push_back(sentence); });
  const PromptTokens most = tokenizer.read(words(511));
  EXPECT_EQ(most.ids.size(), 512U);
  EXPECT_EQ(most.cut, 0);
  EXPECT_TRUE(warnings.empty());

  const PromptTokens cut = tokenizer.read(words(600));
  EXPECT_EQ(cut.ids, most.ids);  // </s> stays
  EXPECT_EQ(cut.ids.back(), 1);
  EXPECT_EQ(cut.cut, 601 - 512);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("\"a a a "), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("601 tokens"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("last 89"), std::string::npos) << warnings[0];
}

TEST(PromptTokenizer, AWarningHoldsWholeCharacters) {
  std::string warning;
  const PromptTokenizer tokenizer("", 0, [&](const std::string& sentence) { warning = sentence; });
  std::string prompt = "x";
  for (int i = 0; i < 400; ++i) prompt += "\u00e9";
  EXPECT_EQ(tokenizer.read(prompt).cut, 802 - 512);
  std::string beginning = "\"x";
  for (int i = 0; i < 19; ++i) beginning += "\u00e9";  // 39 bytes; 40 would end within one
  EXPECT_NE(warning.find(beginning + "...\""), std::string::npos) << warning;
}

TEST(PromptTokenizer, RandomModelsReadBytes) {
  const PromptTokenizer tokenizer("", 0);
  const PromptTokens tokens = tokenizer.read("A\xFF");
  EXPECT_EQ(tokens.ids, (std::vector<std::int32_t>{68, 258, 1}));
  EXPECT_EQ(tokenizer.piece(258), "<0xFF>");
  EXPECT_EQ(tokenizer.piece(1), "</s>");
}

TEST(TextList, HoldsWhatComesAgainUntilThen) {
  using Texts = std::vector<std::string>;
  const TextList list({"abc", "b", "abc", "c", "c", "abc"});
  const std::vector<Texts> expected = {{"abc"}, {"b", "abc"}, {"abc"}, {"c", "abc"}, {"c", "abc"}, {"abc"}};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(list.wanted(i), expected[i]) << i;
  const PromptTokenizer bytes("", 0);
  EXPECT_EQ(list.held_tokens(bytes), 3 + 1);  // </s>
  EXPECT_EQ(TextList({"abc", "abc", "b"}).held_tokens(bytes), 0);
  EXPECT_EQ(TextList({"a", "abc", "a", "abc"}).held_tokens(bytes), 4);
}

}  // namespace
}  // namespace scalekv::engine
