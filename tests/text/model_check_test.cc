#include "text/model_check.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/fixtures.h"
#include "text/rewrites.h"

namespace scalekv::text {
namespace {

using Units = std::vector<std::uint32_t>;

constexpr std::size_t kUnits = 256;

// A field of bytes in a Protocol Buffers message; lengths below 128 * 128.
std::string field(int number, const std::string& bytes) {
  const auto size = bytes.size();
  return std::string{static_cast<char>((number << 3) | 2), static_cast<char>((size & 0x7F) | 0x80),
                     static_cast<char>(size >> 7)} +
         bytes;
}

std::string table(const Units& units, const std::string& texts) {
  const auto size = static_cast<std::uint32_t>(units.size() * 4);
  std::string bytes(4 + size, '\0');
  std::memcpy(bytes.data(), &size, 4);
  std::memcpy(bytes.data() + 4, units.data(), size);
  return bytes + texts;
}

// A model of nothing but a table of rewrites.
std::string model(const std::string& rewrites) { return field(3, field(2, rewrites)); }

std::string verdict(const std::string& bytes) {
  try {
    check_sentencepiece_model(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "sound";
}

// A unit reached by the byte `label`, with its children at `offset` from it.
std::uint32_t unit(std::uint32_t label, std::uint32_t offset, bool ends = false) {
  return label | (offset << 10U) | (ends ? 0x100U : 0U);
}

const std::string kText("x\0", 2);

// "a" is rewritten to the first text: the root's children begin at 1, a key's value lies where its children begin.
Units sound_units() {
  Units units(kUnits, 0x80000000U);  // values, which no byte leads to
  units[0] = unit(0, 1);
  units[1 ^ 'a'] = unit('a', (1 ^ 'a') ^ 2, true);
  return units;
}

TEST(ModelCheck, SoundModelsPass) {
  EXPECT_EQ(verdict(read_fixture("spiece.model")), "sound");
  EXPECT_EQ(verdict(model(table(sound_units(), kText))), "sound");
  EXPECT_EQ(verdict(model("")), "sound");
}

TEST(ModelCheck, RewritesOutsideTheirTextsAreRefused) {
  Units units = sound_units();
  units[2] = 0x80000000U | 2U;
  EXPECT_NE(verdict(model(table(units, kText))).find("outside their texts"), std::string::npos);
  EXPECT_NE(verdict(model(table(sound_units(), "x"))).find("do not end"), std::string::npos);
}

TEST(ModelCheck, TextsOfRewritesAreUtf8) {
  const std::string accented("\u00e9\0", 3);
  EXPECT_EQ(verdict(model(table(sound_units(), accented))), "sound");
  EXPECT_NE(verdict(model(table(sound_units(), std::string("\xC3\0", 2)))).find("not UTF-8"), std::string::npos);
  Units units = sound_units();
  units[2] = 0x80000000U | 1U;
  EXPECT_NE(verdict(model(table(units, accented))).find("into a character"), std::string::npos);
}

TEST(ModelCheck, HandsOutTheRewrites) {
  const std::string rewrites = table(sound_units(), kText);
  EXPECT_EQ(check_sentencepiece_model(model(rewrites)), rewrites);
  EXPECT_EQ(check_sentencepiece_model(model("")), "");
  // The last table counts; a denormalizer's is not the one.
  const std::string other = table(sound_units(), std::string("y\0", 2));
  EXPECT_EQ(check_sentencepiece_model(model(rewrites) + model(other) + field(5, field(2, rewrites))), other);
}

// Clusters of at most five bytes are rewritten as a whole, and what follows their rewritable beginning is lost.
TEST(Rewrites, GoByGraphemeClusters) {
  const Rewrites rewrites(table(sound_units(), kText));
  EXPECT_EQ(rewrites.apply("banana"), "bxnxnx");
  EXPECT_EQ(rewrites.apply("a\u0301!"), "x!");
  EXPECT_EQ(rewrites.apply("a\u0301\u0302!"), "x!");
  EXPECT_EQ(rewrites.apply("a\u0301\u0302\u0303!"), "x\u0301\u0302\u0303!");
  EXPECT_EQ(rewrites.apply("e\u0301a"), "e\u0301x");
  EXPECT_EQ(rewrites.apply(std::string("\0a", 2)), std::string("\0x", 2));
  EXPECT_EQ(Rewrites("").apply("a\u0301"), "a\u0301");
}

TEST(ModelCheck, RewritesOutsideTheirTableAreRefused) {
  Units units = sound_units();
  units[0] = unit(0, kUnits);
  EXPECT_NE(verdict(model(table(units, kText))).find("outside their table"), std::string::npos);
  // Children 256 times as far away.
  units[0] = unit(0, 1) | 0x200U;
  EXPECT_NE(verdict(model(table(units, kText))).find("outside their table"), std::string::npos);
}

TEST(ModelCheck, CirclesAreRefused) {
  Units units = sound_units();
  units[1 ^ 'a'] = unit('a', (1 ^ 'a') ^ 1, true);  // a leads to a
  EXPECT_NE(verdict(model(table(units, kText))).find("circles"), std::string::npos);
}

TEST(ModelCheck, WrongSizesAreRefused) {
  for (const std::string& rewrites :
       {std::string("abc"), table(Units(kUnits), ""), table(Units(kUnits - 1), kText), std::string(4, '\0') + kText}) {
    EXPECT_NE(verdict(model(rewrites)).find("download spiece.model again"), std::string::npos);
  }
}

// A second table in the same message replaces the first; a number written with superfluous bytes is still that number.
TEST(ModelCheck, HiddenTablesAreFound) {
  Units units = sound_units();
  units[0] = unit(0, kUnits);
  const std::string good = model(table(sound_units(), kText));
  const std::string bad = model(table(units, kText));
  EXPECT_NE(verdict(good + bad), "sound");
  const std::string longer = std::string("\x9A\x00", 2) + bad.substr(1);
  EXPECT_NE(verdict(longer), "sound");
  const std::string wrapped = std::string("\x9A\x80\x80\x80\x10", 5) + bad.substr(1);
  EXPECT_NE(verdict(wrapped), "sound");
}

}  // namespace
}  // namespace scalekv::text
