#include "kernels/linear.h"

#include <thread>

#include "kernels/row_matmul.h"
#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

struct Case {
  std::int64_t rows, inputs, outputs;
};
constexpr Case kCases[] = {{1, 1, 1}, {3, 17, 33}, {70, 64, 128}, {129, 100, 37}, {5, 700, 2}, {40, 513, 80}};

TEST(LinearTest, MatchesTheTwinWithEveryOption) {
  for (const auto& [rows, inputs, outputs] : kCases) {
    SCOPED_TRACE(testing::Message() << rows << " x " << inputs << " x " << outputs);
    Ragged x(rows, inputs, 3, 1);
    const Tensor weight = random_tensor({outputs, inputs}, 2, 1.0F / std::sqrt(static_cast<float>(inputs)));
    const Tensor bias = random_tensor({outputs}, 3);
    for (const bool biased : {false, true}) {
      const Linear layer(weight, biased ? bias.clone(MemoryKind::other) : Tensor(), MemoryKind::weights);
      const Rows expected =
          linear_twin(x.view(), weight.view<float>(), biased ? bias.view<float>() : View<const float>());
      for (const Activation activation : {Activation::none, Activation::gelu_tanh, Activation::silu}) {
        for (const bool accumulate : {false, true}) {
          Ragged y(rows, outputs, 5, 4);
          Ragged before(rows, outputs, 5, 4);
          layer.run(x.view(), y.view(), {.activation = activation, .accumulate = accumulate});
          for (std::int64_t m = 0; m < rows; ++m) {
            for (std::int64_t n = 0; n < outputs; ++n) {
              double value = expected[static_cast<std::size_t>(m)][static_cast<std::size_t>(n)];
              if (activation == Activation::gelu_tanh) value = gelu_twin(value);
              if (activation == Activation::silu) value = silu_twin(value);
              if (accumulate) value += static_cast<double>(before.view()(m, n));
              ASSERT_NEAR(y.view()(m, n), value, 2e-5) << m << ", " << n;
            }
          }
          EXPECT_TRUE(y.gaps_untouched());
        }
      }
    }
  }
}

// The last rows of a large product, computed alone and with more or fewer neighbours, on 1, 2 and 3 threads.
TEST(LinearTest, RowsAndThreadsChangeNothing) {
  constexpr std::int64_t kMost = 300;
  for (const auto& [inputs, outputs] : {std::pair{64, 192}, {700, 129}, {2048, 64}}) {
    const Linear layer(random_tensor({outputs, inputs}, 1), random_tensor({outputs}, 2), MemoryKind::weights);
    const Tensor x = random_tensor({kMost, inputs}, 3);
    for (const LinearOptions options :
         {LinearOptions{}, LinearOptions{Activation::gelu_tanh, false}, LinearOptions{Activation::none, true}}) {
      Tensor whole = Tensor::zeros<float>({kMost, outputs}, MemoryKind::other);
      layer.run(x.view<float>(), whole.view<float>(), options);
      for_thread_counts([&] {
        for (std::int64_t rows = 1; rows <= kMost; rows += rows < 34 || inputs == 64 ? 1 : 19) {
          Tensor part = Tensor::zeros<float>({rows, outputs}, MemoryKind::other);
          layer.run(x.view<float>().slice(0, kMost - rows, kMost), part.view<float>(), options);
          ASSERT_TRUE(same_bits(part.view<float>(), whole.view<float>().slice(0, kMost - rows, kMost))) << rows;
        }
      });
    }
  }
}

TEST(LinearTest, OneLayerServesSeveralThreadsAtOnce) {
  const Linear layer(random_tensor({96, 200}, 1), random_tensor({96}, 2), MemoryKind::weights);
  const Tensor x = random_tensor({64, 200}, 3);
  Tensor expected(DType::f32, {64, 96}, MemoryKind::other);
  layer.run(x.view<float>(), expected.view<float>());
  std::vector<std::thread> callers;
  std::vector<int> wrong(4, 0);
  for (std::size_t caller = 0; caller < wrong.size(); ++caller) {
    callers.emplace_back([&, caller] {
      for (std::int64_t rows = 1; rows <= 64; ++rows) {
        Tensor y(DType::f32, {rows, 96}, MemoryKind::other);
        layer.run(x.view<float>().slice(0, 0, rows), y.view<float>());
        if (!same_bits(y.view<float>(), expected.view<float>().slice(0, 0, rows))) ++wrong[caller];
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(LinearTest, RefusesSizesThatDoNotFit) {
  const Linear layer(random_tensor({4, 6}, 1), Tensor(), MemoryKind::weights);
  Tensor y(DType::f32, {2, 4}, MemoryKind::other);
  EXPECT_THROW(layer.run(random_tensor({2, 5}, 1).view<float>(), y.view<float>()), Error);
  EXPECT_THROW(layer.run(random_tensor({3, 6}, 1).view<float>(), y.view<float>()), Error);
  EXPECT_THROW(Linear(random_tensor({4, 6}, 1), random_tensor({5}, 1), MemoryKind::weights), Error);
  EXPECT_THROW(Linear(random_tensor({4}, 1), Tensor(), MemoryKind::weights), Error);
}

// Our own product, which oneDNN's stands in for on machines with AVX-512.
TEST(RowMatmulTest, MatchesTheTwinAndKeepsRowsApart) {
  for (const auto& [rows, inputs, outputs] : kCases) {
    SCOPED_TRACE(testing::Message() << rows << " x " << inputs << " x " << outputs);
    Ragged x(rows, inputs, 3, 1);
    const Tensor weight = random_tensor({outputs, inputs}, 2, 1.0F / std::sqrt(static_cast<float>(inputs)));
    const Tensor bias = random_tensor({outputs}, 3);
    const Tensor panels = pack_panels(weight, MemoryKind::weights);
    const Rows expected = linear_twin(x.view(), weight.view<float>(), bias.view<float>());
    for_instruction_sets([&] {
      Ragged whole(rows, outputs, 5, 4);
      row_matmul(x.view(), panels, bias.view<float>().data(), whole.view(), false);
      for (std::int64_t m = 0; m < rows; ++m) {
        for (std::int64_t n = 0; n < outputs; ++n) {
          ASSERT_NEAR(whole.view()(m, n), expected[static_cast<std::size_t>(m)][static_cast<std::size_t>(n)], 2e-5);
        }
      }
      EXPECT_TRUE(whole.gaps_untouched());
      for_thread_counts([&] {
        for (const std::int64_t part : {std::int64_t{1}, (rows + 1) / 2, rows}) {
          Ragged y(part, outputs, 0, 5);
          row_matmul(x.view().slice(0, rows - part, rows), panels, bias.view<float>().data(), y.view(), false);
          ASSERT_TRUE(same_bits(y.view(), whole.view().slice(0, rows - part, rows)));
        }
      });
    });
  }
}

}  // namespace
}  // namespace scalekv::kernels
