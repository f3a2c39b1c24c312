#include "base/exif.h"

#include <gtest/gtest.h>

namespace scalekv {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

// One folder with one entry: orientation 6 of this type and count.
std::string little_endian(int type, int count) {
  return bytes({'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, type, 0, count, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0});
}

TEST(Exif, OrientationIsASingleShortOrLong) {
  EXPECT_EQ(exif_orientation(little_endian(3, 1)), 6);
  EXPECT_EQ(exif_orientation(little_endian(4, 1)), 6);
  EXPECT_EQ(exif_orientation(std::string(kExifPrefix) + little_endian(3, 1)), 6);
  EXPECT_EQ(exif_orientation(little_endian(2, 1)), 1);  // text
  EXPECT_EQ(exif_orientation(little_endian(3, 2)), 1);
}

TEST(Exif, WhatCannotBeReadTurnsNothing) {
  const std::string whole = little_endian(3, 1);
  for (std::size_t left = 0; left + 8 < whole.size(); ++left) EXPECT_EQ(exif_orientation(whole.substr(0, left)), 1);
  EXPECT_EQ(exif_orientation(""), 1);
  EXPECT_EQ(exif_orientation("XX" + whole.substr(2)), 1);
  // A folder that begins after the end, at the very end of what numbers can say, or has more entries than there are.
  EXPECT_EQ(exif_orientation(whole.substr(0, 4) + bytes({200, 0, 0, 0}) + whole.substr(8)), 1);
  EXPECT_EQ(exif_orientation(whole.substr(0, 4) + bytes({255, 255, 255, 255}) + whole.substr(8)), 1);
  std::string many = whole;
  many[8] = many[9] = '\xff';
  EXPECT_EQ(exif_orientation(many), 6);
  many[10] = 0;
  EXPECT_EQ(exif_orientation(many), 1);
  for (const int value : {0, 9, 255}) {
    std::string other = whole;
    other[18] = static_cast<char>(value);
    EXPECT_EQ(exif_orientation(other), 1) << value;
  }
}

// A 2x1 picture whose pixels are told apart by one channel, in all eight positions.
TEST(Exif, EveryOrientationTurnsItsWay) {
  const Image image{.width = 2, .height = 3, .rgb = {1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 5, 0, 0, 6, 0, 0}};
  const std::vector<std::vector<int>> shown = {{1, 2, 3, 4, 5, 6}, {2, 1, 4, 3, 6, 5}, {6, 5, 4, 3, 2, 1},
                                               {5, 6, 3, 4, 1, 2}, {1, 3, 5, 2, 4, 6}, {5, 3, 1, 6, 4, 2},
                                               {6, 4, 2, 5, 3, 1}, {2, 4, 6, 1, 3, 5}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image upright = turned(image, orientation);
    EXPECT_EQ(upright.width, orientation < 5 ? 2 : 3);
    EXPECT_EQ(upright.height, orientation < 5 ? 3 : 2);
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(upright.rgb[3 * i], shown[static_cast<std::size_t>(orientation) - 1][i]) << orientation;
    }
  }
}

TEST(Exif, CommentIsUtf16) {
  // A letter, two bytes of UTF-8, three, four (a pair in UTF-16), and a byte that is no UTF-8.
  const std::string exif = make_exif("a\xC3\xA9\xE6\x98\x9F\xF0\x9F\x98\x80\xFF");
  EXPECT_EQ(exif.substr(exif.find("UNICODE") + 8),
            bytes({0, 'a', 0, 0xE9, 0x66, 0x1F, 0xD8, 0x3D, 0xDE, 0x00, 0xFF, 0xFD}));
  EXPECT_EQ(exif_orientation(exif), 1);
  EXPECT_LE(make_exif(std::string(100000, 'x')).size() + kExifPrefix.size(), 65533U);
  // A pair is not cut in two.
  std::string pairs = "x";
  for (int i = 0; i < 20000; ++i) pairs += "\xF0\x9F\x98\x80";
  EXPECT_EQ(make_exif(pairs).substr(make_exif(pairs).size() - 2), bytes({0xDE, 0x00}));
}

}  // namespace
}  // namespace scalekv
