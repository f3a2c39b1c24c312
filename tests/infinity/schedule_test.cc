#include "infinity/schedule.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

#include "base/error.h"
#include "infinity/rope.h"

namespace scalekv::infinity {
namespace {

TEST(Schedule, SquareTokens) {
  const auto tokens = [](const char* size) {
    std::int64_t sum = 0;
    for (const MapSize& map : make_schedule(1.0, size).scales) sum += map.tokens();
    return sum;
  };
  EXPECT_EQ(tokens("0.06M"), 521);
  EXPECT_EQ(tokens("0.25M"), 2521);
  EXPECT_EQ(tokens("0.60M"), 6425);
  EXPECT_EQ(tokens("1M"), 10521);
}

TEST(Schedule, FifteenRatiosAndTheirInverses) {
  ASSERT_EQ(aspect_ratios().size(), 15U);
  for (const double ratio : aspect_ratios()) {
    const Schedule schedule = make_schedule(ratio, "1M");
    EXPECT_EQ(schedule.aspect, ratio);
    ASSERT_EQ(schedule.scales.size(), 13U);
    const MapSize last = schedule.scales.back();
    EXPECT_NEAR(static_cast<double>(last.height) / static_cast<double>(last.width), ratio, 0.06 * ratio);
  }
  EXPECT_EQ(make_schedule(0.5, "1M").scales.back(), (MapSize{45, 90}));
  EXPECT_EQ(make_schedule(9.0 / 16.0, "1M").aspect, 0.571);  // 16:9 pictures
}

// The published table for pictures that are not wide, as height x width; wide ones swap the two.
TEST(Schedule, MapsAreThePublishedOnes) {
  const std::pair<std::pair<double, double>, const char*> table[] = {
      {{1.0, 1.0}, "1x1 2x2 4x4 6x6 8x8 12x12 16x16 20x20 24x24 32x32 40x40 48x48 64x64"},
      {{1.25, 0.8}, "1x1 2x2 3x3 5x4 10x8 15x12 20x16 25x20 30x24 35x28 45x36 55x44 70x56"},
      {{1.333, 0.75}, "1x1 2x2 4x3 8x6 12x9 16x12 20x15 24x18 28x21 36x27 48x36 60x45 72x54"},
      {{1.5, 0.666}, "1x1 2x2 3x2 6x4 9x6 15x10 21x14 27x18 33x22 39x26 48x32 63x42 78x52"},
      {{1.75, 0.571}, "1x1 2x2 3x3 7x4 11x6 14x8 21x12 28x16 35x20 42x24 56x32 70x40 84x48"},
      {{2.0, 0.5}, "1x1 2x2 4x2 6x3 10x5 16x8 22x11 30x15 38x19 46x23 60x30 74x37 90x45"},
      {{2.5, 0.4}, "1x1 2x2 5x2 10x4 15x6 20x8 25x10 30x12 40x16 50x20 65x26 80x32 100x40"},
      {{3.0, 0.333}, "1x1 2x2 6x2 9x3 15x5 21x7 27x9 36x12 45x15 54x18 72x24 90x30 111x37"},
  };
  for (const auto& [ratios, maps] : table) {
    const Schedule tall = make_schedule(ratios.first, "1M"), wide = make_schedule(ratios.second, "1M");
    EXPECT_EQ(tall.aspect, ratios.first);
    EXPECT_EQ(wide.aspect, ratios.second);
    std::string written, turned;
    for (const MapSize& map : tall.scales) written += fmt::format("{}x{} ", map.height, map.width);
    for (const MapSize& map : wide.scales) turned += fmt::format("{}x{} ", map.width, map.height);
    EXPECT_EQ(written, std::string(maps) + " ");
    EXPECT_EQ(turned, written);
  }
}

// Nearest by difference: 2.745 is 0.245 above 2.5 and 0.255 below 3, though as a factor it is nearer to 3.
TEST(Schedule, TheNearestRatioIsTheOneOfTheLeastDifference) {
  EXPECT_EQ(make_schedule(2.745, "1M").aspect, 2.5);
  EXPECT_EQ(make_schedule(2.755, "1M").aspect, 3.0);
}

TEST(Schedule, PresetsArePrefixesWithOneReference) {
  for (const double ratio : aspect_ratios()) {
    const Schedule whole = make_schedule(ratio, "1M");
    for (const std::string& size : size_presets()) {
      const Schedule part = make_schedule(ratio, size);
      EXPECT_EQ(part.reference, whole.scales.back());
      for (std::size_t i = 0; i < part.scales.size(); ++i) EXPECT_EQ(part.scales[i], whole.scales[i]);
    }
  }
}

TEST(Schedule, RefusesNonsense) {
  EXPECT_THROW(static_cast<void>(make_schedule(1.0, "2M")), UsageError);
  EXPECT_THROW(static_cast<void>(make_schedule(0.0, "1M")), UsageError);
  EXPECT_THROW(static_cast<void>(make_schedule(-1.0, "1M")), UsageError);
  EXPECT_DOUBLE_EQ(parse_aspect("16:9"), 9.0 / 16.0);
  EXPECT_DOUBLE_EQ(parse_aspect("1.333"), 1.333);
  EXPECT_DOUBLE_EQ(parse_aspect("square"), 1.0);
  for (const char* bad : {"", ":", "16:", "0:1", "a:b", "-1", "nan", "16x9", "1:1:1"}) {
    EXPECT_THROW(static_cast<void>(parse_aspect(bad)), UsageError) << bad;
  }
}

// Beyond the table there is nothing near: 4:1 is not 3:1. What rounding leaves of its ends is near.
TEST(Schedule, RatiosBeyondTheTableAreRefused) {
  for (const double fits : {3.0, 3.003, 1.0 / 3.0, 0.333, 0.33, 3.05, 1.0}) EXPECT_NO_THROW(check_aspect(fits)) << fits;
  for (const double beyond : {3.1, 0.32, 4.0, 0.25, 1e300, 1e-300, 0.0, -1.0, -3.0, std::nan(""), HUGE_VAL}) {
    EXPECT_THROW(check_aspect(beyond), UsageError) << beyond;
  }
  EXPECT_DOUBLE_EQ(parse_aspect("3:1"), 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(parse_aspect(" 9 : 16 "), 16.0 / 9.0);
  EXPECT_DOUBLE_EQ(parse_aspect("0.33"), 0.33);
  for (const char* bad :
       {"4:1", "1:4", "100", "0.01", "1e308:1e-308", "16:0", "0:9", "-16:-9", "inf:1", "1:nan", "0x1", "16:9x"}) {
    EXPECT_THROW(static_cast<void>(parse_aspect(bad)), UsageError) << bad;
  }
  // A picture that is reconstructed is cut to the nearest ratio, whatever its own.
  EXPECT_EQ(make_schedule(10.0, "1M").aspect, 3.0);
}

TEST(Rotary, HalvesGoToEven) {
  // Row 1 of 20 on a reference of 70 sits at 3.5, which rounds to 4; row 3 at 10.5, which rounds to 10.
  const RotaryTable table = make_rotary_table({20, 16}, {70, 56}, 8);
  const auto cosine = [&](std::int64_t row) { return table.cosine.view<float>()(row * 16, 0); };
  EXPECT_FLOAT_EQ(cosine(1), std::cos(4.0F));
  EXPECT_FLOAT_EQ(cosine(3), std::cos(10.0F));
}

}  // namespace
}  // namespace scalekv::infinity
