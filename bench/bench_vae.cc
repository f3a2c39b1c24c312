// Decoding by the image tokenizer of Infinity-2B with random weights: time
// against the machine's float32 matrix-product peak of the same run, and memory
// against what was predicted.
//   build/release/bench/bench_vae [HEIGHT WIDTH]...     sizes in pixels,
//   multiples of 16; 256 256 512 512 1024 1024
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/map_size.h"
#include "kernels/linear.h"
#include "kernels/machine.h"
#include "model/random_model.h"
#include "model/sizes.h"
#include "runtime/philox.h"
#include "runtime/runtime.h"
#include "runtime/threads.h"
#include "vae/coder.h"

namespace scalekv::vae {
namespace {

constexpr std::int64_t kStride = 16;

Tensor random_tensor(const Shape& shape, float deviation, std::uint32_t seed) {
  Tensor tensor(DType::f32, shape, MemoryKind::other);
  const View<float> values = tensor.view<float>().reshape({tensor.elements()});
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    // A uniform number of the wanted deviation: its range is sqrt(12)
    // deviations.
    values(i) = (uniform(seed, {static_cast<std::uint32_t>(i), 0, 0, 0}) - 0.5F) * 3.4641F * deviation;
  }
  return tensor;
}

// Operations of the decoder's convolutions for a latent cell, two a multiply-add, as plain sums over all neighbours.
double operations_a_cell(const model::VaeConfig& config) {
  double sum = 0.0;
  for (const model::TensorSpec& spec : model::vae_table(config).tensors) {
    if (spec.role == model::Role::convolution) sum += 2.0 * static_cast<double>(spec.uses * spec.shape.elements());
  }
  return sum;
}

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Operations a second, best of several products of 2048 x 2048 x 8192.
double gemm_peak() {
  const kernels::Linear linear(random_tensor({8192, 2048}, 1.0F, 1), Tensor(), MemoryKind::other);
  const Tensor x = random_tensor({2048, 2048}, 1.0F, 2);
  Tensor y(DType::f32, {2048, 8192}, MemoryKind::other);
  double best = 0.0;
  for (int i = 0; i < 4; ++i) {
    best = std::max(best, 2.0 * 2048 * 2048 * 8192 / seconds_of([&] { linear.run(x.view<float>(), y.view<float>()); }));
  }
  return best;
}

void run(const std::vector<MapSize>& sizes) {
  const model::Architecture architecture = model::find_architecture("infinity-2b");
  const model::VaeConfig& config = architecture.vae;
  formats::WeightMap weights = *model::random_bundle(architecture, 0).vae;
  const model::Part part{"VAE", "", &weights, model::vae_table(config)};
  const Decoder decoder(config, weights);
  fmt::print("{}, {} threads; weights {:.1f} MiB, predicted {:.1f}\n", kernels::machine_description(), threads(),
             static_cast<double>(ledger().current(MemoryKind::weights)) / (1 << 20),
             static_cast<double>(model::part_bytes(part, WeightType::f32, true)) / (1 << 20));
  for (const MapSize& size : sizes) {
    const double peak = gemm_peak();
    const Tensor latent = random_tensor({size.height / kStride, size.width / kStride, config.codebook}, 1.0F, 3);
    ledger().reset_peaks();
    const double seconds = seconds_of([&] { static_cast<void>(decoder.decode(latent.view<float>())); });
    const double operations = operations_a_cell(config) * static_cast<double>(latent.elements() / config.codebook);
    fmt::print(
        "{} x {}: {:.2f} s, {:.0f} GOP, {:.1f} GOP/s, {:.0f}% of the "
        "product's {:.1f}; maps {:.1f} MiB, "
        "predicted {:.1f}\n",
        size.height, size.width, seconds, operations * 1e-9, operations / seconds * 1e-9,
        100.0 * operations / seconds / peak, peak * 1e-9,
        static_cast<double>(ledger().peak(MemoryKind::vae)) / (1 << 20),
        static_cast<double>(Decoder::predict_bytes(config, latent.shape()[0], latent.shape()[1])) / (1 << 20));
  }
}

}  // namespace
}  // namespace scalekv::vae

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  std::vector<scalekv::MapSize> sizes;
  for (int i = 1; i + 1 < argc; i += 2) sizes.push_back({std::atoll(argv[i]), std::atoll(argv[i + 1])});
  if (sizes.empty()) sizes = {{256, 256}, {512, 512}, {1024, 1024}};
  scalekv::vae::run(sizes);
}
