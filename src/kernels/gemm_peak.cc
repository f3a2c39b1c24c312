#include "kernels/gemm_peak.h"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <vector>

#include "kernels/linear.h"
#include "kernels/onednn.h"
#include "runtime/stopwatch.h"

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

// oneDNN's product in its favourite layout; 0 where it has none of this type for this machine.
double onednn_rate(WeightType type) {
  using dnnl::memory;
  auto x_type = memory::data_type::f32, weight_type = memory::data_type::f32, y_type = memory::data_type::f32;
  if (type == WeightType::bf16) x_type = weight_type = memory::data_type::bf16;
  if (type == WeightType::int8) {
    x_type = memory::data_type::u8;
    weight_type = memory::data_type::s8;
    y_type = memory::data_type::s32;
  }
  const memory::desc x({kRows, kInputs}, x_type, memory::format_tag::ab);
  const memory::desc weight({kInputs, kOutputs}, weight_type, memory::format_tag::any);
  const memory::desc y({kRows, kOutputs}, y_type, memory::format_tag::ab);
  try {
    const dnnl::matmul::primitive_desc description({x, weight, y}, cpu_engine());
    const dnnl::matmul product(description);
    std::vector<Tensor> tensors;
    const auto zeros = [&](const memory::desc& form) {
      tensors.push_back(Tensor::zeros<std::uint8_t>({static_cast<std::int64_t>(form.get_size())}, kKind));
      return memory(form, cpu_engine(), tensors.back().mutable_raw());
    };
    const std::unordered_map<int, memory> operands = {
        {DNNL_ARG_SRC, zeros(x)}, {DNNL_ARG_WEIGHTS, zeros(description.weights_desc())}, {DNNL_ARG_DST, zeros(y)}};
    return best_rate([&] {
      product.execute(cpu_stream(), operands);
      cpu_stream().wait();
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
