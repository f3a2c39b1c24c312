// The CPU behind the seam, without the engine's loop.
#include "backend/cpu.h"

#include <gtest/gtest.h>

#include <cstring>

#include "kernels/machine.h"
#include "runtime/ledger.h"
#include "support/random_source.h"

namespace scalekv::backend {
namespace {

using testing::small_config;

class Cpu : public ::testing::Test {
 protected:
  Cpu() {
    formats::WeightMap weights = testing::random_transformer(small_config());
    cpu_.load(small_config(), weights, WeightType::f32);
    request_.schedule = infinity::make_schedule(1.0, "0.06M");
    request_.schedule.scales.resize(3);
    request_.cfg = {3.0F, 1.0F, 2.0F};
    request_.tau = {1.0F, 0.5F, 0.8F};
    text_ = Tensor::zeros<float>({5, small_config().text_width}, MemoryKind::other);
    for (std::int64_t i = 0; i < text_.elements(); ++i) {
      text_.view<float>().data()[i] = normal(3, {static_cast<std::uint32_t>(i), 0, 0, 0});
    }
  }

  cache::KeepPlan keep_plan() const {
    return {infinity::cache_geometry(small_config(), request_.schedule), request_.policy.budget};
  }
  // Latent tokens of one image, all equal.
  Tensor tokens(int scale, float value) const {
    Tensor rows(DType::f32, {request_.schedule.scales[static_cast<std::size_t>(scale)].tokens(), small_config().bits},
                MemoryKind::activations);
    std::fill_n(rows.view<float>().data(), rows.elements(), value);
    return rows;
  }
  // Of all scales.
  std::vector<Tensor> logits(const SessionObservers& observers = {}) const {
    const cache::KeepPlan plan = keep_plan();
    const std::vector<View<const float>> texts = {text_.view<float>()};
    const auto session = cpu_.start({request_, plan, texts, {}}, observers);
    std::vector<Tensor> all;
    for (int scale = 0; scale < 3; ++scale) {
      all.push_back(session->predict(scale, scale == 0 ? Tensor() : tokens(scale, 0.1F)));
    }
    return all;
  }

  CpuBackend cpu_;
  infinity::GenerationRequest request_;
  Tensor text_;
};

TEST_F(Cpu, GivesLogitsOfTheImagesOnlyGuidedOrNot) {
  const std::vector<Tensor> all = logits();
  for (std::size_t scale = 0; scale < all.size(); ++scale) {
    EXPECT_EQ(all[scale].shape(), (Shape{request_.schedule.scales[scale].tokens(), 2 * small_config().bits}));
  }
}

TEST_F(Cpu, SessionsDoNotKnowOfEachOtherAndGiveEverythingBack) {
  const std::int64_t before = ledger().current(MemoryKind::kv);
  const std::vector<Tensor> first = logits(), second = logits();
  for (std::size_t scale = 0; scale < first.size(); ++scale) {
    EXPECT_EQ(std::memcmp(first[scale].raw(), second[scale].raw(), static_cast<std::size_t>(first[scale].bytes())), 0);
  }
  EXPECT_EQ(ledger().current(MemoryKind::kv), before);
}

TEST_F(Cpu, TakesTheCacheThatItPlanned) {
  ledger().reset_peaks();
  const std::int64_t before = ledger().current(MemoryKind::kv);
  logits();
  const SessionBytes planned = cpu_.plan_session(small_config(), request_, keep_plan(), 1, 10, WeightType::f32);
  EXPECT_EQ(ledger().peak(MemoryKind::kv) - before, planned.kv);
}

TEST_F(Cpu, TemperatureDividesTheLogits) {
  const std::vector<Tensor> warm = logits();
  request_.tau[0] = 2.0F;
  const std::vector<Tensor> cold = logits();
  for (std::int64_t i = 0; i < warm[0].elements(); ++i) {
    EXPECT_FLOAT_EQ(cold[0].view<const float>().data()[i], 0.5F * warm[0].view<const float>().data()[i]);
  }
}

TEST_F(Cpu, SaysWhatDecidesTheLastBits) {
  EXPECT_EQ(cpu_.facts().name, "cpu");
  EXPECT_EQ(cpu_.facts().device, kernels::machine_description());
}

}  // namespace
}  // namespace scalekv::backend
