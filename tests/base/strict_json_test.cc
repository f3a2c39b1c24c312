#include "base/strict_json.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace scalekv::formats {
namespace {

std::string repeated(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

// What parsing `text` says; the same both ways.
std::string why_not_json(std::string_view text) {
  std::string said;
  try {
    static_cast<void>(parse_strict_json(text, "F"));
  } catch (const Error& error) {
    said = error.what();
  }
  try {
    static_cast<void>(parse_strict_list(text, "F"));
    EXPECT_EQ(said, "") << text;
  } catch (const Error& error) {
    EXPECT_EQ(said, error.what()) << text;
  }
  return said;
}

TEST(StrictJson, IsWhatTheLibraryReads) {
  for (const std::string_view text :
       {R"({"b": [1, -2, 3.5, 18446744073709551615, true, false, null], "a": {"": {"c": [[], {}]}}, "A": "\u00e9\n"})",
        R"([{"a": 1}, {"a": 2}, [{"a": 3, "b": {"a": 4}}]])", R"("text")", "7", " null ", "{}", "[]",
        "\xEF\xBB\xBF[-0.0, 1e-400]"}) {
    EXPECT_EQ(parse_strict_json(text, "F"), nlohmann::json::parse(text)) << text;
    EXPECT_EQ(parse_strict_list(text, "F"), nlohmann::ordered_json::parse(text)) << text;
    // EXPECT_EQ does not see the order of members nor the sign of a zero.
    EXPECT_EQ(parse_strict_list(text, "F").dump(), nlohmann::ordered_json::parse(text).dump());
  }
}

TEST(StrictJson, FaultsAreNamedWithTheirPlace) {
  const std::string end = "; the file is damaged or was cut short";
  EXPECT_EQ(why_not_json(R"({"a": 1, "b" 2})"), "F is not valid JSON at byte 14" + end);
  EXPECT_EQ(why_not_json(R"({"a": [1, 2)"), "F is not valid JSON at byte 12" + end);
  EXPECT_EQ(why_not_json(""), "F is not valid JSON at byte 1" + end);
  EXPECT_EQ(why_not_json("[1] [2]"), "F is not valid JSON at byte 5" + end);
  EXPECT_EQ(why_not_json("[1,]"), "F is not valid JSON at byte 4" + end);
  EXPECT_EQ(why_not_json("[1e999]"), "F is not valid JSON at byte 6" + end);
  EXPECT_EQ(why_not_json("[NaN]"), "F is not valid JSON at byte 2" + end);
  EXPECT_EQ(why_not_json("[\"a\xff\"]"), "F is not valid JSON at byte 4" + end);
  EXPECT_EQ(why_not_json("{\"\xed\xa0\x80\": 1}"), "F is not valid JSON at byte 4" + end);
  EXPECT_EQ(why_not_json("{\"a\": \"\\ud800\"}"), "F is not valid JSON at byte 14" + end);
}

TEST(StrictJson, NoNameOccursTwice) {
  EXPECT_EQ(why_not_json(R"({"a": 1, "a": 1})"), "F: the name \"a\" occurs twice");
  EXPECT_EQ(why_not_json(R"([{"b": {"a": {}, "c": {"a": 1}, "\u0061": 2}}])"), "F: the name \"a\" occurs twice");
  EXPECT_EQ(why_not_json(R"({"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 1}]})"), "");
}

TEST(StrictJson, DepthIsBounded) {
  EXPECT_EQ(why_not_json(repeated("[", 16) + "1" + repeated("]", 16)), "");
  EXPECT_EQ(why_not_json(repeated("{\"a\":", 16) + "1" + repeated("}", 16)), "");
  EXPECT_EQ(why_not_json(repeated("[", 17) + repeated("]", 17)), "F: the JSON is nested deeper than 16 levels");
  EXPECT_EQ(why_not_json(repeated("{\"a\":[", 1'000'000)), "F: the JSON is nested deeper than 16 levels");
}

TEST(StrictJson, ListsMayHoldMoreThanHeaders) {
  // The list is a value itself.
  const std::string most = "[0" + repeated(",0", 4'000'000 - 2) + "]";
  EXPECT_EQ(parse_strict_json(most, "F").size(), 3'999'999U);
  const std::string more = "[0," + most.substr(1);
  EXPECT_EQ(parse_strict_list(more, "F").size(), 4'000'000U);
  EXPECT_THROW(static_cast<void>(parse_strict_json(more, "F")), Error);
}

}  // namespace
}  // namespace scalekv::formats
