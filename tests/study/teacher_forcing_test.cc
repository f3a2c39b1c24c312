#include "study/teacher_forcing.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/small_generation.h"

namespace scalekv::study {
namespace {

TEST(BitDivergence, HasItsTextbookValues) {
  EXPECT_EQ(bit_divergence(1.5, 1.5), 0.0);
  // p = 1/2 against q = 1/4: log(3) is the gap of 1/4 with its sign turned.
  EXPECT_NEAR(bit_divergence(0.0, -std::log(3.0)), 0.5 * std::log(2.0) + 0.5 * std::log(0.5 / 0.75), 1e-12);
  // A certain bit that the other run thinks impossible costs its gap, and does not overflow.
  EXPECT_NEAR(bit_divergence(500.0, -500.0), 500.0, 1e-9);
  EXPECT_GE(bit_divergence(1e-9, 0.0), 0.0);
}

TEST(TeacherForcing, TheSameRunDivergesByNothing) {
  const testing::SmallRequest request = testing::full_request(0, 2);
  const Trace reference = run_traced(testing::small_transformer(), request, request.batch());
  for (const Divergence& mine :
       teacher_forced_divergence(reference, testing::small_transformer(), request, request.batch())) {
    EXPECT_EQ(mine.kl, 0.0);
    EXPECT_EQ(mine.agreement, 1.0);
    EXPECT_EQ(mine.scale_kl.size(), request.schedule.scales.size());
  }
}

TEST(TeacherForcing, ACutCacheDivergesOnlyAfterItsCut) {
  const testing::SmallRequest full = testing::full_request(0, 2);
  const Trace reference = run_traced(testing::small_transformer(), full, full.batch());
  const testing::SmallRequest cut = testing::request(0, 2, "sliding-window", 0.1);  // 27 tokens: full up to scale 4
  for (const Divergence& mine : teacher_forced_divergence(reference, testing::small_transformer(), cut, cut.batch())) {
    for (std::size_t scale = 0; scale < 4; ++scale) EXPECT_EQ(mine.scale_kl[scale], 0.0) << scale;
    EXPECT_GT(mine.scale_kl[4], 0.0);
    EXPECT_GT(mine.kl, 0.0);
    EXPECT_LE(mine.agreement, 1.0);
  }
  // An image's figure does not depend on the batch it is in.
  const testing::SmallRequest second_full = testing::full_request(1, 1);
  const Trace second = run_traced(testing::small_transformer(), second_full, second_full.batch());
  const testing::SmallRequest second_cut = testing::request(1, 1, "sliding-window", 0.1);
  EXPECT_EQ(teacher_forced_divergence(second, testing::small_transformer(), second_cut, second_cut.batch())[0].kl,
            teacher_forced_divergence(reference, testing::small_transformer(), cut, cut.batch())[1].kl);
}

}  // namespace
}  // namespace scalekv::study
