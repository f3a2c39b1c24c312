#include "kernels/elementwise.h"

#include "kernels/query_key.h"
#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

constexpr std::int64_t kRows = 5;

TEST(ElementwiseTest, ActivationsMatchTheTwins) {
  constexpr std::int64_t kColumns[] = {1, 7, 16, 67, 300};
  for (const std::int64_t columns : with_drawn(kColumns, 4, [](Sizes& size) { return size(1, 500); })) {
    for_instruction_sets([&] {
      Ragged x(kRows, columns, 3, 1, 4.0F), up(kRows, columns, 1, 2);
      Ragged gelu(kRows, columns, 3, 1, 4.0F), gated(kRows, columns, 3, 1, 4.0F), swish(kRows, columns, 4, 3);
      gelu_tanh(gelu.view());
      gelu_gate(gated.view(), up.view());
      silu(x.view(), swish.view());
      for (std::int64_t r = 0; r < kRows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const auto value = static_cast<double>(x.view()(r, c));
          const double near = 2e-6 * std::max(1.0, std::abs(value));
          ASSERT_NEAR(gelu.view()(r, c), gelu_twin(value), near) << value;
          ASSERT_NEAR(gated.view()(r, c), gelu_twin(value) * static_cast<double>(up.view()(r, c)), 4.0 * near) << value;
          ASSERT_NEAR(swish.view()(r, c), silu_twin(value), near) << value;
        }
      }
      EXPECT_TRUE(gelu.gaps_untouched() && gated.gaps_untouched() && swish.gaps_untouched());
    });
  }
}

TEST(ElementwiseTest, ExtremesStayFinite) {
  for_instruction_sets([] {
    std::vector<float> x = {-1e30F, -1e4F, -100.0F, -0.0F, 0.0F, 1e-40F, 100.0F, 1e4F, 1e30F};
    const std::vector<float> before = x;
    const View<float> row(x.data(), {1, static_cast<std::int64_t>(x.size())});
    gelu_tanh(row);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], std::max(before[i], 0.0F), 1e-30) << before[i];
    x = before;
    silu(row, row);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], std::max(before[i], 0.0F), 1e-30) << before[i];
  });
}

TEST(ElementwiseTest, SumsMatchTheTwins) {
  for (const std::int64_t columns : {1, 7, 67}) {
    Ragged a(kRows, columns, 3, 1), b(kRows, columns, 1, 2), shifted(kRows, columns, 3, 1), mixed(kRows, columns, 2, 3);
    const Tensor row = random_tensor({columns}, 4);
    add_row(shifted.view(), row.view<float>());
    blend(a.view(), b.view(), 3.0F, mixed.view());
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        const float x = a.view()(r, c), y = b.view()(r, c);
        ASSERT_EQ(shifted.view()(r, c), x + row.view<float>()(c));
        ASSERT_NEAR(mixed.view()(r, c), 3.0F * x - 2.0F * y, 1e-5);
      }
    }
    EXPECT_TRUE(shifted.gaps_untouched() && mixed.gaps_untouched());
  }
}

TEST(QueryKeyTest, MatchesTheTwin) {
  using Case = std::tuple<std::int64_t, std::int64_t, std::int64_t>;
  constexpr Case kCases[] = {{1, 1, 2}, {9, 3, 48}, {5, 2, 128}, {4, 2, 34}};
  const auto drawn = [](Sizes& sizes) { return Case{sizes(1, 12), sizes(1, 5), 2 * sizes(1, 80)}; };
  for (const auto& [rows, heads, size] : with_drawn(kCases, 5, drawn)) {
    SCOPED_TRACE(size);
    Tensor qkv = random_tensor({rows, 3, heads, size}, 1);
    const Tensor before = qkv.clone(MemoryKind::other);
    const Tensor q_bias = random_tensor({heads * size}, 2), v_bias = random_tensor({heads * size}, 3);
    const Tensor scale = random_tensor({heads}, 4), angle = random_tensor({rows, size / 2}, 5);
    Tensor cosine = angle.clone(MemoryKind::other), sine = angle.clone(MemoryKind::other);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t j = 0; j < size / 2; ++j) {
        cosine.view<float>()(r, j) = std::cos(angle.view<float>()(r, j));
        sine.view<float>()(r, j) = std::sin(angle.view<float>()(r, j));
      }
    }
    std::fill_n(qkv.view<float>().at(0, 1, 0, 0), size, 0.0F);  // a key of length zero stays zero
    normalise_rotate(qkv.view<float>(), q_bias.view<float>(), v_bias.view<float>(), scale.view<float>(),
                     cosine.view<float>(), sine.view<float>());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const bool zeroed = r == 0 && h == 0;
        std::vector<double> q, k;
        double q_squares = 0.0, k_squares = 0.0;
        for (std::int64_t d = 0; d < size; ++d) {
          q.push_back(static_cast<double>(before.view<float>()(r, 0, h, d) + q_bias.view<float>()(h * size + d)));
          k.push_back(zeroed ? 0.0 : static_cast<double>(before.view<float>()(r, 1, h, d)));
          q_squares += q.back() * q.back();
          k_squares += k.back() * k.back();
          ASSERT_EQ(qkv.view<float>()(r, 2, h, d),
                    before.view<float>()(r, 2, h, d) + v_bias.view<float>()(h * size + d));
        }
        const double q_factor = static_cast<double>(scale.view<float>()(h)) / std::max(std::sqrt(q_squares), 1e-12);
        const double k_factor = 1.0 / std::max(std::sqrt(k_squares), 1e-12);
        for (std::int64_t j = 0; j < size / 2; ++j) {
          const double turn = static_cast<double>(angle.view<float>()(r, j));
          const auto pair = static_cast<std::size_t>(2 * j);
          const auto check = [&](const std::vector<double>& x, double factor, const float* actual) {
            EXPECT_NEAR(actual[0], factor * (std::cos(turn) * x[pair] - std::sin(turn) * x[pair + 1]), 2e-6);
            EXPECT_NEAR(actual[1], factor * (std::sin(turn) * x[pair] + std::cos(turn) * x[pair + 1]), 2e-6);
          };
          check(q, q_factor, qkv.view<float>().at(r, 0, h, 2 * j));
          check(k, k_factor, qkv.view<float>().at(r, 1, h, 2 * j));
        }
      }
    }
  }
}

// Short rows become as long as others: 3, 4 and 12 millionths are 3/13, 4/13 and 12/13 of their length.
TEST(QueryKeyTest, ShortRowsHaveALength) {
  Tensor qkv = Tensor::zeros<float>({1, 3, 1, 4}, MemoryKind::other);
  const Tensor none = Tensor::zeros<float>({4}, MemoryKind::other),
               sine = Tensor::zeros<float>({1, 2}, MemoryKind::other);
  for (const std::int64_t part : {0, 1}) {
    for (const auto& [d, value] : {std::pair{0, 3e-6F}, {1, 4e-6F}, {3, 12e-6F}})
      qkv.view<float>()(0, part, 0, d) = value;
  }
  const float scale = 13.0F, one[] = {1.0F, 1.0F};
  normalise_rotate(qkv.view<float>(), none.view<float>(), none.view<float>(), View<const float>(&scale, {1}),
                   View<const float>(one, {1, 2}), sine.view<float>());
  for (const auto& [d, value] : {std::pair{0, 3.0F}, {1, 4.0F}, {2, 0.0F}, {3, 12.0F}}) {
    EXPECT_NEAR(qkv.view<float>()(0, 0, 0, d), value, 1e-5F);
    EXPECT_NEAR(qkv.view<float>()(0, 1, 0, d), value / 13.0F, 1e-6F);
  }
}

}  // namespace
}  // namespace scalekv::kernels
