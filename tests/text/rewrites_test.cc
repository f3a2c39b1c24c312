#include "text/rewrites.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "support/failure.h"

namespace scalekv::text {
namespace {

using Units = std::vector<std::uint32_t>;

constexpr std::size_t kUnits = 256;

std::string table(const Units& units, const std::string& texts) {
  const auto size = static_cast<std::uint32_t>(units.size() * 4);
  std::string bytes(4 + size, '\0');
  std::memcpy(bytes.data(), &size, 4);
  std::memcpy(bytes.data() + 4, units.data(), size);
  return bytes + texts;
}

std::string fault_of_table(const std::string& rewrites) {
  return testing::failure_of([&] { Rewrites{rewrites}; });
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

TEST(Rewrites, SoundTablesPass) {
  EXPECT_EQ(fault_of_table(table(sound_units(), kText)), "");
  EXPECT_EQ(fault_of_table(""), "");
}

TEST(Rewrites, PlacesOutsideTheTextsAreRefused) {
  Units units = sound_units();
  units[2] = 0x80000000U | 2U;
  EXPECT_NE(fault_of_table(table(units, kText)).find("outside their texts"), std::string::npos);
  EXPECT_NE(fault_of_table(table(sound_units(), "x")).find("do not end"), std::string::npos);
}

TEST(Rewrites, TextsAreUtf8) {
  const std::string accented("\u00e9\0", 3);
  EXPECT_EQ(fault_of_table(table(sound_units(), accented)), "");
  EXPECT_NE(fault_of_table(table(sound_units(), std::string("\xC3\0", 2))).find("not UTF-8"), std::string::npos);
  Units units = sound_units();
  units[2] = 0x80000000U | 1U;
  EXPECT_NE(fault_of_table(table(units, accented)).find("into a character"), std::string::npos);
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

TEST(Rewrites, PlacesOutsideTheTableAreRefused) {
  Units units = sound_units();
  units[0] = unit(0, kUnits);
  EXPECT_NE(fault_of_table(table(units, kText)).find("outside their table"), std::string::npos);
  // Children 256 times as far away.
  units[0] = unit(0, 1) | 0x200U;
  EXPECT_NE(fault_of_table(table(units, kText)).find("outside their table"), std::string::npos);
}

TEST(Rewrites, WrongSizesAreRefused) {
  for (const std::string& rewrites :
       {std::string("abc"), table(Units(kUnits), ""), table(Units(kUnits - 1), kText), std::string(4, '\0') + kText}) {
    EXPECT_NE(fault_of_table(rewrites).find("download spiece.model again"), std::string::npos);
  }
}

// A circle without an end is no key; a text leaves it where it ends.
TEST(Rewrites, CirclesAreNoHarm) {
  Units units = sound_units();
  units[1 ^ 'a'] = unit('a', (1 ^ 'a') ^ 1);  // a leads to a
  const Rewrites rewrites(table(units, kText));
  EXPECT_EQ(rewrites.apply("banana" + std::string(10'000, 'a')), "banana" + std::string(10'000, 'a'));
}

}  // namespace
}  // namespace scalekv::text
