#include "kernels/gemm_peak.h"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <vector>

#include "kernels/linear.h"
#include "kernels/onednn.h"
#include "runtime/stopwatch.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

constexpr std::int64_t kRows = 1024, kInputs = 2048, kOutputs = 4096;
constexpr int kRepetitions = 3;

// Of a kind that gives its pages back at once: rates are measured beside the peak of a process's memory.
constexpr MemoryKind kKind = MemoryKind::weights;

Tensor filled(const Shape& shape) {
  Tensor tensor(DType::f32, shape, kKind);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.view<float>().data()[i] = static_cast<float>(i % 7 - 3) / 8.0F;
  }
  return tensor;
}

double best_rate(const std::function<void()>& product) {
  product();  // buffers and primitives are made
  double least = 1e30;
  Stopwatch watch;
  for (int i = 0; i < kRepetitions; ++i) {
    product();
    least = std::min(least, watch.lap());
  }
  return 2.0 * kRows * kInputs * kOutputs / least / 1e9;
}

// oneDNN's product in its favourite layout, of tiles that the threads share; 0 where it has none of this type for this
// machine.
double onednn_rate(WeightType type) {
  using dnnl::memory;
  auto x_type = memory::data_type::f32, weight_type = memory::data_type::f32, y_type = memory::data_type::f32;
  if (type == WeightType::bf16) x_type = weight_type = memory::data_type::bf16;
  if (type == WeightType::int8) {
    x_type = memory::data_type::u8;
    weight_type = memory::data_type::s8;
    y_type = memory::data_type::s32;
  }
  constexpr std::int64_t kTileRows = 256, kTileOutputs = 256;
  constexpr std::int64_t kBlocks = kRows / kTileRows, kSlabs = kOutputs / kTileOutputs;
  const memory::desc x({kTileRows, kInputs}, x_type, memory::format_tag::ab);
  const memory::desc weight({kInputs, kTileOutputs}, weight_type, memory::format_tag::any);
  const memory::desc y({kTileRows, kTileOutputs}, y_type, memory::format_tag::ab);
  try {
    const OneThread alone;
    const dnnl::matmul::primitive_desc description = describe_matmul(x, weight, y);
    const dnnl::matmul product(description);
    const auto zeros = [&](const memory::desc& form, std::int64_t count) {
      return Tensor::zeros<std::uint8_t>({count, static_cast<std::int64_t>(form.get_size())}, kKind);
    };
    Tensor xs = zeros(x, kBlocks), weights = zeros(description.weights_desc(), kSlabs), ys = zeros(y, kBlocks * kSlabs);
    const auto part = [](const memory::desc& form, Tensor& all, std::int64_t tile) {
      return onednn_memory(form, all.view<std::uint8_t>().at(tile, 0));
    };
    return best_rate([&] {
      parallel_for(kBlocks * kSlabs, [&](std::int64_t tile) {
        const OneThread here;
        product.execute(cpu_stream(), {{DNNL_ARG_SRC, part(x, xs, tile % kBlocks)},
                                       {DNNL_ARG_WEIGHTS, part(description.weights_desc(), weights, tile / kBlocks)},
                                       {DNNL_ARG_DST, part(y, ys, tile)}});
        cpu_stream().wait();
      });
    });
  } catch (const dnnl::error&) {
    return 0.0;
  }
}

double own_rate(WeightType type) {
  const Linear linear(filled({kOutputs, kInputs}), Tensor(), kKind, type);
  const Tensor x = filled({kRows, kInputs});
  Tensor y(DType::f32, {kRows, kOutputs}, kKind);
  return best_rate([&] { linear.run(x.view<float>(), y.view<float>()); });
}

}  // namespace

double measure_gemm_peak(WeightType type) { return std::max(onednn_rate(type), own_rate(type)); }

}  // namespace scalekv::kernels
