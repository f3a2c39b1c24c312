#include "engine/measure.h"

#include <gtest/gtest.h>

#include <utility>

namespace scalekv::engine {
namespace {

Component linear(double operations, double seconds, double peak) {
  return {.name = "linear", .work = {operations, 0.0}, .seconds = seconds, .type = WeightType::int8, .peak = peak};
}

// Half the seconds at 10 a second, half at 30: at their own peaks 400 operations take 20 seconds.
TEST(Measure, PeakOfASumIsTheRateOfItsParts) {
  Measurement measured;
  measured.components = {linear(100.0, 11.0, 10.0), linear(300.0, 12.0, 30.0), {.name = "rest", .seconds = 5.0}};
  const Component sum = measured.sum("linear");
  EXPECT_DOUBLE_EQ(sum.work.operations, 400.0);
  EXPECT_DOUBLE_EQ(sum.seconds, 23.0);
  EXPECT_DOUBLE_EQ(sum.peak, 20.0);
  EXPECT_EQ(sum.type, WeightType::int8);
  EXPECT_DOUBLE_EQ(measured.sum("VAE").peak, 0.0);
}

TEST(Measure, StagesAreHeldAgainstProductsBeforeAndAfter) {
  double rate = 100.0;
  PeakSamples samples({WeightType::f32, WeightType::int8},
                      [&](WeightType type) { return type == WeightType::int8 ? 2.0 * rate : rate; });
  samples.take();
  EXPECT_FALSE(samples.due());
  rate = 60.0;
  const PeakSamples::Rates between = samples.take();
  EXPECT_DOUBLE_EQ(between.at(WeightType::f32), 80.0);
  EXPECT_DOUBLE_EQ(between.at(WeightType::int8), 160.0);
  rate = 80.0;
  EXPECT_DOUBLE_EQ(samples.take().at(WeightType::f32), 70.0);
  EXPECT_EQ(samples.ranges().at(WeightType::f32), std::make_pair(60.0, 100.0));
  EXPECT_EQ(samples.ranges().at(WeightType::int8), std::make_pair(120.0, 200.0));
}

}  // namespace
}  // namespace scalekv::engine
