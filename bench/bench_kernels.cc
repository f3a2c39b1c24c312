// Kernels against the machine's own float32 matrix-product peak, measured in the same run.
//   build/release/bench/bench_kernels [--benchmark_filter=...]
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/linear.h"
#include "kernels/machine.h"
#include "kernels/onednn.h"
#include "runtime/philox.h"
#include "runtime/runtime.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

Tensor random_tensor(const Shape& shape) {
  Tensor tensor(DType::f32, shape, MemoryKind::other);
  const View<float> values = tensor.view<float>().reshape({tensor.elements()});
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    values(i) = uniform(1, {static_cast<std::uint32_t>(i), 0, 0, 0}) - 0.5F;
  }
  return tensor;
}

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Best of several products of 2048 x 2048 x 8192, in operations a second.
double best_rate(const auto& product) {
  double best = 0.0;
  for (int i = 0; i < 8; ++i) best = std::max(best, 2.0 * 2048 * 2048 * 8192 / seconds_of(product));
  return best;
}

double linear_peak(WeightType type) {
  const Linear linear(random_tensor({8192, 2048}), Tensor(), MemoryKind::other, type);
  const Tensor x = random_tensor({2048, 2048});
  Tensor y(DType::f32, {2048, 8192}, MemoryKind::other);
  return best_rate([&] { linear.run(x.view<float>(), y.view<float>()); });
}

// oneDNN's product of bytes. Inputs without a sign are what VNNI multiplies; without VNNI their sums saturate, so that
// the product is not exact.
double onednn_int8_peak(dnnl::memory::data_type inputs) {
  using dnnl::memory;
  const memory::desc x({2048, 2048}, inputs, memory::format_tag::ab);
  const memory::desc any({2048, 8192}, memory::data_type::s8, memory::format_tag::any);
  const memory::desc y({2048, 8192}, memory::data_type::s32, memory::format_tag::ab);
  const dnnl::matmul::primitive_desc description = describe_matmul(x, any, y);
  const dnnl::matmul product(description);
  const memory a(x, cpu_engine()), b(description.weights_desc(), cpu_engine()), c(y, cpu_engine());
  return best_rate([&] {
    product.execute(cpu_stream(), {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    cpu_stream().wait();
  });
}

double gemm_peak() {
  static const double peak = linear_peak(WeightType::f32);
  return peak;
}

// The best exact product of bytes.
double int8_peak() {
  static const double peak = std::max(linear_peak(WeightType::int8), onednn_int8_peak(dnnl::memory::data_type::s8));
  return peak;
}

// GOP/s of `operations` an iteration, and their share of the peak.
void report(benchmark::State& state, double operations, WeightType type = WeightType::f32) {
  state.counters["GOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = benchmark::Counter(operations / (type == WeightType::int8 ? int8_peak() : gemm_peak()),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void linear(benchmark::State& state) {
  const std::int64_t rows = state.range(0), inputs = state.range(1), outputs = state.range(2);
  const auto type = static_cast<WeightType>(state.range(3));
  const Linear layer(random_tensor({outputs, inputs}), Tensor(), MemoryKind::other, type, inputs > outputs);
  state.SetLabel(std::string(weight_type_name(type)));
  const Tensor x = random_tensor({rows, inputs});
  Tensor y(DType::f32, {rows, outputs}, MemoryKind::other);
  for (auto _ : state) layer.run(x.view<float>(), y.view<float>());
  report(state, 2.0 * static_cast<double>(rows * inputs * outputs), type);
}
void linear_shapes(benchmark::internal::Benchmark* linear) {
  for (const std::int64_t type : {0, 1, 2}) {
    linear->Args({1, 2048, 8192, type})->Args({64, 2048, 8192, type})->Args({1024, 2048, 8192, type});
    linear->Args({1024, 8192, 2048, type})->Args({512, 192, 768, type});
  }
}
BENCHMARK(linear)->Apply(linear_shapes)->UseRealTime()->Unit(benchmark::kMillisecond);

// One head's keys and values as the cache keeps them.
struct StoredHead {
  StoredHead(std::int64_t rows, std::int64_t size, KvPrecision precision)
      : keys(static_cast<std::size_t>(rows * size * kv_element_bytes(precision))),
        values(keys.size()),
        grid(static_cast<std::size_t>(kv_grid_bytes(precision, size))) {
    KeyValueRows written{keys.data(), values.data(), 0, precision, grid.data()};
    append_floats(written, random_tensor({rows, size}).view<float>(), random_tensor({rows, size}).view<float>());
    written.held = rows;
    segment = written.segment(size);
  }

  std::vector<std::byte> keys, values;
  std::vector<std::int8_t> grid;
  KeyValueSegment segment;
};

// Heads over a kept history and a current map, in two segments.
void attend(benchmark::State& state, KvPrecision precision) {
  const std::int64_t queries = state.range(0), history = state.range(1), size = state.range(2), heads = state.range(3);
  const Tensor q = random_tensor({queries, heads, size});
  Tensor out(DType::f32, {queries, heads, size}, MemoryKind::other);
  const std::int64_t stride = heads * size;
  std::vector<StoredHead> stored;
  std::vector<AttentionHead> work;
  for (std::int64_t h = 0; h < heads; ++h) {
    stored.emplace_back(history, size, precision);
    stored.emplace_back(queries, size, precision);
  }
  for (std::int64_t h = 0; h < heads; ++h) {
    const auto first = static_cast<std::size_t>(2 * h);
    work.push_back({.queries = q.view<float>().at(0, h, 0),
                    .query_stride = stride,
                    .query_count = queries,
                    .segments = {stored[first].segment, stored[first + 1].segment},
                    .out = out.view<float>().at(0, h, 0),
                    .out_stride = stride});
  }
  for (auto _ : state) attention(work, size, 1.0F);
  report(state, 4.0 * static_cast<double>(queries * (history + queries) * size * heads));
}
void attention_sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({4096, 465, 128, 4})
      ->Args({1024, 1497, 128, 4})
      ->Args({4096, 6425, 128, 2})
      ->Args({256, 265, 48, 8})
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(attend, f32, KvPrecision::f32)->Apply(attention_sizes);
BENCHMARK_CAPTURE(attend, bf16, KvPrecision::bf16)->Apply(attention_sizes);
BENCHMARK_CAPTURE(attend, int8, KvPrecision::int8)->Apply(attention_sizes);

// The VAE's 3x3 convolutions at its levels' sizes.
void convolution(benchmark::State& state) {
  const std::int64_t side = state.range(0), inputs = state.range(1), outputs = state.range(2);
  const Conv2d layer(random_tensor({outputs, inputs, 3, 3}), Tensor(), {}, MemoryKind::other);
  GrowBuffer scratch(MemoryKind::other);
  const Tensor x = random_tensor({side, side, inputs});
  Tensor y(DType::f32, {side, side, outputs}, MemoryKind::other);
  for (auto _ : state) layer.run({x.view<float>()}, y.view<float>(), scratch);
  report(state, 2.0 * 9.0 * static_cast<double>(side * side * inputs * outputs));
}
BENCHMARK(convolution)
    ->Args({64, 512, 512})
    ->Args({256, 512, 512})
    ->Args({512, 512, 256})
    ->Args({512, 256, 256})
    ->Args({1024, 256, 128})
    ->Args({1024, 128, 128})
    ->Args({128, 32, 32})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace scalekv::kernels

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("kernels", scalekv::kernels::machine_description());
  benchmark::AddCustomContext("threads", std::to_string(scalekv::threads()));
  benchmark::AddCustomContext("gemm_peak_gops", std::to_string(scalekv::kernels::gemm_peak() * 1e-9));
  benchmark::AddCustomContext("int8_peak_gops", std::to_string(scalekv::kernels::int8_peak() * 1e-9));
  benchmark::AddCustomContext("onednn_u8s8_gops",
                              std::to_string(scalekv::kernels::onednn_int8_peak(dnnl::memory::data_type::u8) * 1e-9));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
