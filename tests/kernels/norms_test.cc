#include "kernels/norms.h"

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

constexpr double kRowEpsilon = 1e-6;

struct Moments {
  double mean, variance, squares;
};

Moments moments_twin(const std::vector<double>& values) {
  Moments m{};
  const auto count = static_cast<double>(values.size());
  for (const double value : values) m.mean += value / count;
  for (const double value : values) {
    m.variance += (value - m.mean) * (value - m.mean) / count;
    m.squares += value * value / count;
  }
  return m;
}

TEST(NormsTest, RowsMatchTheTwins) {
  constexpr std::int64_t kChannels[] = {1, 5, 16, 33, 768, 2049};
  for (const std::int64_t channels : with_drawn(kChannels, 4, [](Sizes& size) { return size(1, 1500); })) {
    SCOPED_TRACE(channels);
    Ragged x(19, channels, 3, 1, 3.0F);
    for (std::int64_t c = 0; c < channels; ++c) x.view()(2, c) += 50.0F;  // a mean far from zero
    for (std::int64_t c = 0; c < channels; ++c) x.view()(3, c) *= 1e-3F;  // not much more than epsilon
    const Tensor a = random_tensor({channels}, 2), b = random_tensor({channels}, 3);
    for_instruction_sets([&] {
      Ragged modulated(19, channels, 5, 4), affine(19, channels, 5, 4), rms(19, channels, 5, 4);
      layer_norm_modulate(x.view(), a.view<float>(), b.view<float>(), 1e-6F, modulated.view());
      layer_norm_affine(x.view(), a.view<float>(), b.view<float>(), 1e-6F, affine.view());
      rms_norm(x.view(), a.view<float>(), 1e-6F, rms.view());
      for (std::int64_t r = 0; r < 19; ++r) {
        const Moments m = moments_twin({x.view().at(r, 0), x.view().at(r, 0) + channels});
        for (std::int64_t c = 0; c < channels; ++c) {
          const auto value = static_cast<double>(x.view()(r, c));
          const double normal = (value - m.mean) / std::sqrt(m.variance + kRowEpsilon);
          const auto scale = static_cast<double>(a.view<float>()(c)), shift = static_cast<double>(b.view<float>()(c));
          ASSERT_NEAR(modulated.view()(r, c), normal * (1.0 + scale) + shift, 2e-4) << r << ", " << c;
          ASSERT_NEAR(affine.view()(r, c), normal * scale + shift, 2e-4) << r << ", " << c;
          ASSERT_NEAR(rms.view()(r, c), value / std::sqrt(m.squares + kRowEpsilon) * scale, 2e-5) << r << ", " << c;
        }
      }
      EXPECT_TRUE(modulated.gaps_untouched() && affine.gaps_untouched() && rms.gaps_untouched());
    });
  }
}

}  // namespace
}  // namespace scalekv::kernels
