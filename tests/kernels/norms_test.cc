#include "kernels/norms.h"

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

constexpr double kEpsilon = 1e-6;

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
  for (const std::int64_t channels : {1, 5, 16, 33, 768, 2049}) {
    SCOPED_TRACE(channels);
    Ragged x(19, channels, 3, 1, 3.0F);
    for (std::int64_t c = 0; c < channels; ++c) x.view()(2, c) += 50.0F;  // a mean far from zero
    const Tensor a = random_tensor({channels}, 2), b = random_tensor({channels}, 3);
    Ragged modulated(19, channels, 5, 4), affine(19, channels, 5, 4), rms(19, channels, 5, 4);
    layer_norm_modulate(x.view(), a.view<float>(), b.view<float>(), 1e-6F, modulated.view());
    layer_norm_affine(x.view(), a.view<float>(), b.view<float>(), 1e-6F, affine.view());
    rms_norm(x.view(), a.view<float>(), 1e-6F, rms.view());
    for (std::int64_t r = 0; r < 19; ++r) {
      const Moments m = moments_twin({x.view().at(r, 0), x.view().at(r, 0) + channels});
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto value = static_cast<double>(x.view()(r, c));
        const double normal = (value - m.mean) / std::sqrt(m.variance + kEpsilon);
        const auto scale = static_cast<double>(a.view<float>()(c)), shift = static_cast<double>(b.view<float>()(c));
        ASSERT_NEAR(modulated.view()(r, c), normal * (1.0 + scale) + shift, 2e-4) << r << ", " << c;
        ASSERT_NEAR(affine.view()(r, c), normal * scale + shift, 2e-4) << r << ", " << c;
        ASSERT_NEAR(rms.view()(r, c), value / std::sqrt(m.squares + kEpsilon) * scale, 2e-5) << r << ", " << c;
      }
    }
    EXPECT_TRUE(modulated.gaps_untouched() && affine.gaps_untouched() && rms.gaps_untouched());
  }
}

TEST(NormsTest, GroupsMatchTheTwin) {
  for (const auto& [height, width, channels, groups] :
       {std::tuple{1, 1, 32, 32}, {5, 7, 64, 32}, {70, 50, 96, 32}, {3, 4, 6, 2}}) {
    Tensor x = random_tensor({height, width, channels}, 1, 2.0F);
    const std::int64_t cells = height * width, per_group = channels / groups;
    const View<float> in = x.view<float>().reshape({cells, channels});
    for (std::int64_t i = 0; i < cells; ++i) in(i, 0) += 30.0F;
    const Tensor weight = random_tensor({channels}, 2), bias = random_tensor({channels}, 3);
    for (const bool swish : {false, true}) {
      Tensor first;
      for_thread_counts([&] {
        Tensor y = x.clone(MemoryKind::other);  // in place
        group_norm(y.view<float>(), groups, weight.view<float>(), bias.view<float>(), 1e-6F, swish, y.view<float>());
        if (first.empty()) first = y.clone(MemoryKind::other);
        ASSERT_EQ(std::memcmp(y.raw(), first.raw(), static_cast<std::size_t>(y.bytes())), 0);
      });
      const View<float> out = first.view<float>().reshape({cells, channels});
      for (std::int64_t g = 0; g < groups; ++g) {
        std::vector<double> members;
        for (std::int64_t i = 0; i < cells; ++i) {
          for (std::int64_t c = g * per_group; c < (g + 1) * per_group; ++c) members.push_back(in(i, c));
        }
        const Moments m = moments_twin(members);
        for (std::int64_t i = 0; i < cells; ++i) {
          for (std::int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
            double value = (static_cast<double>(in(i, c)) - m.mean) / std::sqrt(m.variance + kEpsilon) *
                               static_cast<double>(weight.view<float>()(c)) +
                           static_cast<double>(bias.view<float>()(c));
            if (swish) value = silu_twin(value);
            ASSERT_NEAR(out(i, c), value, 1e-4) << i << ", " << c;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace scalekv::kernels
