#include "kernels/linear.h"

#include <thread>

#include "kernels/int8_matmul.h"
#include "kernels/row_matmul.h"
#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

struct LinearCase {
  std::int64_t rows, inputs, outputs;
};
constexpr WeightType kTypes[] = {WeightType::f32, WeightType::bf16, WeightType::int8};

struct Options {
  bool biased;
  Activation activation;
  bool accumulate, gated;
};
constexpr Options kOptions[] = {
    {false, Activation::none, false, false},     {true, Activation::none, false, false},
    {true, Activation::gelu_tanh, false, false}, {true, Activation::gelu_tanh, false, true},
    {true, Activation::none, true, false},       {true, Activation::none, true, true},
    {false, Activation::gelu_tanh, true, true},
};
constexpr LinearCase kLinearCases[] = {{1, 1, 1},      {3, 17, 33}, {70, 64, 128},
                                       {129, 100, 37}, {5, 700, 2}, {40, 513, 80}};

// The weight as a layer of `type` multiplies with it.
Tensor as_held(const Tensor& weight, WeightType type) {
  Tensor held = weight.clone(MemoryKind::other);
  const View<float> values = held.view<float>().reshape({held.elements()});
  for (std::int64_t i = 0; type == WeightType::bf16 && i < values.elements(); ++i) {
    values(i) = to_float(to_bfloat16(values(i)));
  }
  if (type == WeightType::int8) {
    const Int8Weight rounded = quantise_weight(weight, 1, MemoryKind::other);
    for (std::int64_t n = 0; n < weight.shape()[0]; ++n) {
      for (std::int64_t k = 0; k < weight.shape()[1]; ++k) {
        held.view<float>()(n, k) =
            static_cast<float>(rounded.codes.view<std::int8_t>()(n, k)) * rounded.scales.view<float>()(n);
      }
    }
  }
  return held;
}

TEST(LinearTest, MatchesTheTwinWithEveryOption) {
  const auto drawn = [](Sizes& size) { return LinearCase{size(1, 150), size(1, 400), size(1, 150)}; };
  for (const LinearCase& tried : with_drawn(kLinearCases, 4, drawn)) {
    const std::int64_t rows = tried.rows, inputs = tried.inputs, outputs = tried.outputs;
    Ragged x(rows, inputs, 0, 1);
    const Tensor weight = random_tensor({outputs, inputs}, 2, 1.0F / std::sqrt(static_cast<float>(inputs)));
    const Tensor bias = random_tensor({outputs}, 3);
    const Tensor gates = random_tensor({rows, 2, outputs}, 6);
    for (const WeightType type : kTypes) {
      const Tensor held = as_held(weight, type);
      // Inputs of up to 5 are rounded to steps; a sum of K errors of up to half a step, over weights of length about 1.
      const double step = 5.0 / static_cast<double>(largest_input_code());
      const double near = type == WeightType::int8 ? 3e-5 + 3.0 * step : 3e-5;
      for (const auto& [biased, activation, accumulate, gated] : kOptions) {
        SCOPED_TRACE(::testing::Message()
                     << rows << " x " << inputs << " x " << outputs << " " << weight_type_name(type) << biased
                     << static_cast<int>(activation) << accumulate << gated);
        const Linear layer(weight, biased ? bias.clone(MemoryKind::other) : Tensor(), MemoryKind::weights, type);
        const Rows expected =
            linear_twin(x.view(), held.view<float>(), biased ? bias.view<float>() : View<const float>());
        // One gate for each run of rows, in rows that are longer than they seem.
        const std::int64_t runs = rows % 2 == 0 ? 2 : rows;
        const View<const float> gate(gates.view<float>().data(), {runs, outputs}, {2 * outputs, 1});
        Ragged y(rows, outputs, 0, 4), before(rows, outputs, 0, 4);
        layer.run(x.view(), y.view(),
                  {.activation = activation, .accumulate = accumulate, .gate = gated ? gate : View<const float>()});
        for (std::int64_t m = 0; m < rows; ++m) {
          for (std::int64_t n = 0; n < outputs; ++n) {
            double value = expected[static_cast<std::size_t>(m)][static_cast<std::size_t>(n)];
            if (activation == Activation::gelu_tanh) value = gelu_twin(value);
            if (gated) value *= static_cast<double>(gate(m / (rows / runs), n));
            if (accumulate) value += static_cast<double>(before.view()(m, n));
            const double factor =
                gated ? std::max(1.0, std::abs(static_cast<double>(gate(m / (rows / runs), n)))) : 1.0;
            ASSERT_NEAR(y.view()(m, n), value, near * factor) << m << ", " << n;
          }
        }
        EXPECT_TRUE(y.gaps_untouched());
      }
    }
  }
}

TEST(LinearTest, BytesAreAsPredictedAndInTheLedger) {
  for (const WeightType type : kTypes) {
    for (const LinearCase& tried : kLinearCases) {
      const std::int64_t inputs = tried.inputs, outputs = tried.outputs;
      for (const bool biased : {false, true}) {
        const std::int64_t before = ledger().current(MemoryKind::weights);
        const std::int64_t others = ledger().current(MemoryKind::other);
        const Linear layer(random_tensor({outputs, inputs}, 1), biased ? random_tensor({outputs}, 2) : Tensor(),
                           MemoryKind::weights, type);
        EXPECT_EQ(ledger().current(MemoryKind::weights) - before, Linear::predict_bytes(inputs, outputs, biased, type));
        EXPECT_EQ(ledger().current(MemoryKind::other), others);  // no float copy is left behind
      }
    }
  }
}

// The last rows of a large product, computed alone and with more or fewer neighbours, on 1, 2 and 3 threads.
TEST(LinearTest, RowsAndThreadsChangeNothing) {
  constexpr std::int64_t kMost = 300;
  for (const auto& size : {std::pair{64, 192}, {700, 129}, {64, 1}, {1, 300}, {2048, 64}, {4104, 40}}) {
    const std::int64_t inputs = size.first, outputs = size.second;
    const Tensor weight = random_tensor({outputs, inputs}, 1);
    const Tensor x = random_tensor({kMost, inputs}, 3);
    for (const WeightType type : kTypes) {
      const Linear layer(weight, random_tensor({outputs}, 2), MemoryKind::weights, type);
      for (const LinearOptions& options :
           {LinearOptions{}, LinearOptions{Activation::gelu_tanh, false}, LinearOptions{Activation::none, true}}) {
        Tensor whole = Tensor::zeros<float>({kMost, outputs}, MemoryKind::other);
        layer.run(x.view<float>(), whole.view<float>(), options);
        for_thread_counts([&] {
          for (std::int64_t rows = 1; rows <= kMost; rows += rows < 16 ? 1 : 19) {
            Tensor part = Tensor::zeros<float>({rows, outputs}, MemoryKind::other);
            layer.run(x.view<float>().slice(0, kMost - rows, kMost), part.view<float>(), options);
            ASSERT_TRUE(same_bits(part.view<float>(), whole.view<float>().slice(0, kMost - rows, kMost))) << rows;
          }
        });
      }
    }
  }
}

// bfloat16 weights are widened, never the inputs narrowed; those of a file are used where they lie.
TEST(LinearTest, Bfloat16WeightsGiveTheBitsOfTheFloatsTheyAre) {
  for (const LinearCase& tried : kLinearCases) {
    const std::int64_t rows = tried.rows, inputs = tried.inputs, outputs = tried.outputs;
    SCOPED_TRACE(::testing::Message() << rows << " x " << inputs << " x " << outputs);
    const auto held =
        std::make_shared<const Tensor>(random_tensor({outputs, inputs}, 1).convert_to_bfloat16(MemoryKind::other));
    const Tensor mapped(DType::bf16, held->shape(), held->raw(), held);
    const Tensor x = random_tensor({rows, inputs}, 3);
    const Tensor panels = pack_panels(mapped, MemoryKind::weights);
    const std::int64_t before = ledger().current(MemoryKind::weights);
    const Linear layer(mapped, Tensor(), MemoryKind::weights, WeightType::bf16);
    EXPECT_EQ(ledger().current(MemoryKind::weights) - before, mapped.bytes());
    for_instruction_sets([&] {
      Tensor expected(DType::f32, {rows, outputs}, MemoryKind::other),
          y(DType::f32, {rows, outputs}, MemoryKind::other);
      row_matmul(x.view<float>(), panels, {}, expected.view<float>());
      layer.run(x.view<float>(), y.view<float>());
      EXPECT_TRUE(same_bits(y.view<float>(), expected.view<float>()));
    });
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
    callers.emplace_back([&, caller, &runtime = Runtime::current()] {
      const Runtime::Scope scope(runtime);
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
  const Tensor x = random_tensor({2, 6}, 1);
  const Tensor gate = random_tensor({3, 4}, 1);
  EXPECT_THROW(layer.run(x.view<float>(), y.view<float>(), {.gate = gate.view<float>()}), Error);
  Tensor wider(DType::f32, {2, 8}, MemoryKind::other);
  EXPECT_THROW(layer.run(x.view<float>(), wider.view<float>().slice(1, 0, 4)), Error);
  EXPECT_THROW(layer.run(wider.view<float>().slice(1, 0, 6), y.view<float>()), Error);
}

// Our own product, which oneDNN's stands in for on machines with AVX-512.
TEST(RowMatmulTest, MatchesTheTwinAndKeepsRowsApart) {
  for (const LinearCase& tried : kLinearCases) {
    const std::int64_t rows = tried.rows, inputs = tried.inputs, outputs = tried.outputs;
    SCOPED_TRACE(::testing::Message() << rows << " x " << inputs << " x " << outputs);
    Ragged x(rows, inputs, 3, 1);
    const Tensor weight = random_tensor({outputs, inputs}, 2, 1.0F / std::sqrt(static_cast<float>(inputs)));
    const Tensor bias = random_tensor({outputs}, 3);
    const Tensor panels = pack_panels(weight, MemoryKind::weights);
    const Epilogue epilogue{.bias = bias.view<float>().data()};
    const Rows expected = linear_twin(x.view(), weight.view<float>(), bias.view<float>());
    for_instruction_sets([&] {
      Ragged whole(rows, outputs, 5, 4);
      row_matmul(x.view(), panels, epilogue, whole.view());
      for (std::int64_t m = 0; m < rows; ++m) {
        for (std::int64_t n = 0; n < outputs; ++n) {
          ASSERT_NEAR(whole.view()(m, n), expected[static_cast<std::size_t>(m)][static_cast<std::size_t>(n)], 2e-5);
        }
      }
      EXPECT_TRUE(whole.gaps_untouched());
      for_thread_counts([&] {
        for (const std::int64_t part : {std::int64_t{1}, (rows + 1) / 2, rows}) {
          Ragged y(part, outputs, 0, 5);
          row_matmul(x.view().slice(0, rows - part, rows), panels, epilogue, y.view());
          ASSERT_TRUE(same_bits(y.view(), whole.view().slice(0, rows - part, rows)));
        }
      });
    });
  }
}

}  // namespace
}  // namespace scalekv::kernels
