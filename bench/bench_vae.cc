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
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/map_size.h"
#include "kernels/linear.h"
#include "kernels/machine.h"
#include "runtime/philox.h"
#include "runtime/threads.h"
#include "vae/decoder.h"

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

// Random weights of the decoder's names and shapes; operations of its
// convolutions, two a multiply-add, counted as plain sums over nine neighbours.
class RandomDecoder final : public formats::TensorSource {
 public:
  explicit RandomDecoder(const model::VaeConfig& config) {
    std::int64_t channels = config.decoder.channels(config.decoder.levels() - 1);
    double cells = 1.0;  // a latent cell's at the present level
    add_conv("decoder.conv_in", config.codebook, channels, 3, cells);
    add_block("decoder.mid.block_1", channels, channels, cells);
    add_block("decoder.mid.block_2", channels, channels, cells);
    for (auto level = static_cast<std::int64_t>(config.decoder.levels()) - 1; level >= 0; --level) {
      const std::int64_t outputs = config.decoder.channels(static_cast<std::size_t>(level));
      for (std::int64_t i = 0; i < config.decoder.blocks; ++i) {
        add_block(fmt::format("decoder.up.{}.block.{}", level, i), channels, outputs, cells);
        channels = outputs;
      }
      if (level == 0) break;
      cells *= 4.0;
      add_conv(fmt::format("decoder.up.{}.upsample.conv", level), channels, channels, 3, cells);
    }
    add_norm("decoder.norm_out", channels);
    add_conv("decoder.conv_out", channels, 3, 3, cells);
  }

  double operations_a_cell() const { return operations_; }

  const std::vector<formats::TensorInfo>& tensors() const override { return infos_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::filesystem::path& path() const override { return path_; }
  Tensor load(const formats::TensorInfo& info) const override {
    const auto inputs = static_cast<float>(info.shape.elements() / info.shape[0]);
    return random_tensor(info.shape, 1.0F / std::sqrt(inputs), static_cast<std::uint32_t>(info.bytes));
  }

 private:
  void add(const std::string& name, const Shape& shape) {
    infos_.push_back({.name = name, .dtype = DType::f32, .shape = shape, .bytes = 4 * shape.elements(), .file = {}});
  }
  void add_norm(const std::string& name, std::int64_t channels) {
    add(name + ".norm.weight", {channels});
    add(name + ".norm.bias", {channels});
  }
  void add_conv(const std::string& name, std::int64_t inputs, std::int64_t outputs, std::int64_t kernel, double cells) {
    add(name + ".conv.weight", {outputs, inputs, kernel, kernel});
    add(name + ".conv.bias", {outputs});
    operations_ += 2.0 * cells * static_cast<double>(inputs * outputs * kernel * kernel);
  }
  void add_block(const std::string& name, std::int64_t inputs, std::int64_t outputs, double cells) {
    add_norm(name + ".norm1", inputs);
    add_conv(name + ".conv1", inputs, outputs, 3, cells);
    add_norm(name + ".norm2", outputs);
    add_conv(name + ".conv2", outputs, outputs, 3, cells);
    if (inputs != outputs) add_conv(name + ".nin_shortcut", inputs, outputs, 1, cells);
  }

  double operations_ = 0.0;
  std::vector<formats::TensorInfo> infos_;
  std::map<std::string, std::string> metadata_;
  std::filesystem::path path_ = "random weights";
};

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
  const model::VaeConfig config{.codebook = 32, .decoder = {.base = 128, .multipliers = {1, 2, 4, 4, 4}, .blocks = 3}};
  const auto source = std::make_shared<RandomDecoder>(config);
  formats::WeightMap weights(source, "", "VAE");
  const Decoder decoder(config, weights);
  fmt::print("{}, {} threads; weights {:.1f} MiB, predicted {:.1f}\n", kernels::machine_description(), threads(),
             static_cast<double>(ledger().current(MemoryKind::weights)) / (1 << 20),
             static_cast<double>(Decoder::weight_bytes(config)) / (1 << 20));
  for (const MapSize& size : sizes) {
    const double peak = gemm_peak();
    const Tensor latent = random_tensor({size.height / kStride, size.width / kStride, config.codebook}, 1.0F, 3);
    ledger().reset_peaks();
    const double seconds = seconds_of([&] { static_cast<void>(decoder.decode(latent.view<float>())); });
    const double operations = source->operations_a_cell() * static_cast<double>(latent.elements() / config.codebook);
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
  std::vector<scalekv::MapSize> sizes;
  for (int i = 1; i + 1 < argc; i += 2) sizes.push_back({std::atoll(argv[i]), std::atoll(argv[i + 1])});
  if (sizes.empty()) sizes = {{256, 256}, {512, 512}, {1024, 1024}};
  scalekv::vae::run(sizes);
}
