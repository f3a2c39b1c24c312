#include "vae/layers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/memory_source.h"

namespace scalekv::vae {
namespace {

Norm norm_of(std::int64_t channels) {
  auto source = std::make_shared<testing::MemorySource>("a norm");
  for (const char* part : {"weight", "bias"}) {
    Tensor values(DType::f32, {channels}, MemoryKind::other);
    for (std::int64_t c = 0; c < channels; ++c) values.view<float>()(c) = 1.0F;
    source->put(std::string("n.norm.") + part, std::move(values));
  }
  formats::WeightMap weights(source, "", "vae");
  std::vector<model::TensorSpec> specs;
  for (const char* name : {"n.norm.weight", "n.norm.bias"}) {
    specs.push_back({.name = name, .shape = {channels}, .role = model::Role::own_values});
  }
  return {model::LayerTensors(weights, specs), "n"};
}

// A cell of 64 or 48 channels that hold their own number: a group of two has the mean of both.
TEST(Norm, HasThirtyTwoGroupsOrTwentyFour) {
  for (const std::int64_t channels : {64, 48}) {
    Tensor map(DType::f32, {1, 1, channels}, MemoryKind::other);
    for (std::int64_t c = 0; c < channels; ++c) map.view<float>()(0, 0, c) = static_cast<float>(c);
    const kernels::GroupNormTerms terms = norm_of(channels).terms(map.view<float>());
    for (std::int64_t c = 0; c < channels; ++c) {
      EXPECT_EQ(terms.center[static_cast<std::size_t>(c)], static_cast<float>(c / 2 * 2) + 0.5F) << c;
    }
  }
}

// Where all values are the same, 1e-6 is all that the square root is taken of.
TEST(Norm, EpsilonIsAMillionth) {
  const Tensor map = Tensor::zeros<float>({2, 2, 32}, MemoryKind::other);
  EXPECT_NEAR(norm_of(32).terms(map.view<float>()).factor.front(), 1000.0F, 0.01F);
}

}  // namespace
}  // namespace scalekv::vae
