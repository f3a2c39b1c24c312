#include "cache/policy.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace scalekv::cache {
namespace {

CacheGeometry geometry_of(int layers, int heads, std::int64_t head_size, int scales) {
  CacheGeometry geometry{.layers = layers, .heads = heads, .head_size = head_size, .scales = {}};
  constexpr std::array<std::int64_t, 13> kSides = {1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64};
  for (int i = 0; i < scales; ++i)
    geometry.scales.push_back({kSides[static_cast<std::size_t>(i)], kSides[static_cast<std::size_t>(i)]});
  return geometry;
}

// A calibration in which the last layer is the drafter.
std::shared_ptr<const Calibration> calibration_of(const CacheGeometry& geometry) {
  auto made = std::make_shared<Calibration>(Calibration{"toy", 1, AttentionStatistics(geometry)});
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    for (int head = 0; head < geometry.layers * geometry.heads; ++head) {
      const int layer = head / geometry.heads;
      made->statistics.set(scale, layer, head % geometry.heads,
                           {.current_share = 1.0 / (1 + layer),
                            .concentration = 0.5,
                            .received = std::vector<double>(static_cast<std::size_t>(scale), 0.1),
                            .lost = std::vector<double>(kept_grid(geometry.tokens_before(scale)).size(), 0.1),
                            .removal = std::vector<double>(removal_regions(geometry, scale), 1.0 + head)},
                           1);
    }
  }
  return made;
}

const CacheGeometry kSmall = geometry_of(3, 2, 4, 7);
const CacheGeometry kLarger = geometry_of(3, 2, 4, 10);

TEST(AutoPolicy, ChoosesByWhatIsKnown) {
  const auto choice = [](const CacheGeometry& geometry, std::shared_ptr<const Calibration> calibration = nullptr) {
    return choose_policy({.calibration = std::move(calibration)}, geometry);
  };
  EXPECT_EQ(choice(kSmall, calibration_of(kSmall)).policy, "adaptive");
  EXPECT_EQ(choice(kSmall, calibration_of(kLarger)).policy, "adaptive");
  EXPECT_EQ(choice(kLarger, calibration_of(kSmall)).policy, "scalekv-first");
  EXPECT_NE(choice(kLarger, calibration_of(kSmall)).why.find("7 scales, the picture takes 10"), std::string::npos);
  EXPECT_EQ(choice(kSmall).policy, "scalekv-first");
  EXPECT_NE(choice(kSmall).why.find("no calibration"), std::string::npos);
  EXPECT_EQ(choice(geometry_of(32, 16, 128, 13)).policy, "scalekv");
  EXPECT_EQ(choice(geometry_of(40, 28, 128, 13)).policy, "scalekv");
  // Of another size than the budgets were published for, or of other sizes in one respect.
  for (const CacheGeometry& other : {geometry_of(32, 16, 128, 10), geometry_of(32, 20, 104, 13),
                                     geometry_of(40, 24, 112, 13), geometry_of(12, 8, 96, 13)}) {
    EXPECT_EQ(choice(other).policy, "scalekv-first");
  }
}

TEST(AutoPolicy, IsThePolicyThatItNames) {
  for (const auto& calibration : {calibration_of(kSmall), std::shared_ptr<const Calibration>()}) {
    const Policy chosen = make_policy({.share = 0.2, .calibration = calibration}, kSmall);
    const Policy named = make_policy({.name = chosen.name, .share = 0.2, .calibration = calibration}, kSmall);
    EXPECT_NE(chosen.name, "auto");
    EXPECT_EQ(chosen.budget.rows(), named.budget.rows());
    EXPECT_EQ(chosen.facts.at("policy_reason").find("auto: "), 0U);
    EXPECT_FALSE(named.facts.contains("policy_reason"));
  }
}

TEST(ScaleKv, TakesItsDraftersFromACalibrationThatCoversThePicture) {
  const auto made = [](const CacheGeometry& geometry, std::shared_ptr<const Calibration> calibration) {
    return make_policy({.name = "scalekv", .share = 0.2, .calibration = std::move(calibration)}, geometry);
  };
  const Policy calibrated = made(kSmall, calibration_of(kSmall));
  EXPECT_EQ(calibrated.facts.at("drafters"), "calibration");
  EXPECT_NE(calibrated.budget.rows(), made(kSmall, nullptr).budget.rows());
  const Policy fallen_back = made(kLarger, calibration_of(kSmall));
  EXPECT_EQ(fallen_back.facts.at("drafters"), "default");
  EXPECT_NE(fallen_back.facts.at("drafters_reason").find("10"), std::string::npos);
  EXPECT_EQ(fallen_back.budget.rows(), made(kLarger, nullptr).budget.rows());
  EXPECT_FALSE(made(kLarger, nullptr).facts.contains("drafters_reason"));
  EXPECT_EQ(made(geometry_of(32, 16, 128, 13), nullptr).facts.at("drafters"), "published");
  EXPECT_EQ(made(geometry_of(32, 16, 128, 10), nullptr).facts.at("drafters"), "default");
}

TEST(ScaleKvFirst, HasTheBytesOfScaleKv) {
  for (const double share : {0.01, 0.1, 0.5}) {
    EXPECT_EQ(make_policy({.name = "scalekv-first", .share = share}, kLarger).budget.rows(),
              make_policy({.name = "scalekv", .share = share}, kLarger).budget.rows());
  }
}

TEST(Calibrations, StopOnlyThoseThatNeedThem) {
  const auto other_model = calibration_of(geometry_of(4, 2, 4, 10));
  for (const PolicyFacts& facts : known_policies()) {
    const auto make = [&](const std::shared_ptr<const Calibration>& calibration) {
      return make_policy({.name = facts.name, .calibration = calibration}, kLarger);
    };
    if (!takes_calibration(facts.name)) {
      EXPECT_NO_THROW(make(other_model)) << facts.name;
    } else {
      EXPECT_THROW(make(other_model), Error) << facts.name;
    }
    if (needs_calibration(facts.name)) {
      EXPECT_THROW(make(nullptr), Error) << facts.name;
      EXPECT_THROW(make(calibration_of(kSmall)), Error) << facts.name;
    } else {
      EXPECT_NO_THROW(make(calibration_of(kSmall))) << facts.name;
    }
    EXPECT_NO_THROW(make(calibration_of(kLarger))) << facts.name;
  }
}

TEST(Calibrations, AreLeftAloneWhereBudgetsArePublished) {
  const CacheGeometry released = geometry_of(32, 16, 128, 13);
  for (const char* policy : {"auto", "scalekv", "scalekv-first"}) {
    EXPECT_FALSE(reads_calibration(policy, released, false)) << policy;
    EXPECT_TRUE(reads_calibration(policy, released, true)) << policy;
    EXPECT_TRUE(reads_calibration(policy, kSmall, false)) << policy;
  }
  EXPECT_TRUE(reads_calibration("adaptive", released, false));
  EXPECT_FALSE(reads_calibration("full", kSmall, true));
}

}  // namespace
}  // namespace scalekv::cache
