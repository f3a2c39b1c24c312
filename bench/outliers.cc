// What rounding to int8 costs where a few inputs of a product are hundreds of times the others, as the inputs of
// ffn.fc2 are on released weights.
//   build/release/bench/outliers                  methods against outliers, on one product
//   build/release/bench/outliers infinity-2b 5    logits of a model of random weights, its first 5 scales
//   build/release/bench/outliers infinity-2b 5 1  the same at guidance 1: without what guidance makes of errors
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/cpu.h"
#include "base/error.h"
#include "engine/resolved_request.h"
#include "formats/weight_map.h"
#include "kernels/linear.h"
#include "model/random_model.h"
#include "runtime/philox.h"
#include "runtime/runtime.h"
#include "study/teacher_forcing.h"

namespace scalekv {
namespace {

constexpr std::int64_t kOutlierChannels = 8;
// Inputs of fc2 are gelu(z), z nearly standard normal: their median size is 0.16, and among some thousand tokens the
// largest z of a channel is about 3. Times 19 that is 353 medians.
constexpr float kOutlierGain = 19.0F;

// |a - b| / |b|
double relative_error(View<const float> a, View<const float> b) {
  double difference = 0.0, size = 0.0;
  for (std::int64_t i = 0; i < b.elements(); ++i) {
    const double d = static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]);
    difference += d * d;
    size += static_cast<double>(b.data()[i]) * static_cast<double>(b.data()[i]);
  }
  return std::sqrt(difference / size);
}

Tensor random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t seed, float deviation) {
  Tensor matrix(DType::f32, {rows, columns}, MemoryKind::other);
  for (std::int64_t i = 0; i < matrix.elements(); ++i) {
    matrix.view<float>().data()[i] = deviation * normal(seed, {static_cast<std::uint32_t>(i), 0, 0, 0});
  }
  return matrix;
}

Tensor product(const Tensor& x, const Tensor& weight) {
  Tensor y(DType::f32, {x.shape()[0], weight.shape()[0]}, MemoryKind::other);
  kernels::Linear(weight, Tensor(), MemoryKind::other).run(x.view<float>(), y.view<float>());
  return y;
}

// Every row to codes of `bits` bits and back.
void round_rows(Tensor& matrix, int bits) {
  const auto most = static_cast<float>((1 << (bits - 1)) - 1);
  const View<float> rows = matrix.view<float>();
  for (std::int64_t r = 0; r < rows.size(0); ++r) {
    float* row = rows.data() + r * rows.size(1);
    float largest = 0.0F;
    for (std::int64_t k = 0; k < rows.size(1); ++k) largest = std::max(largest, std::abs(row[k]));
    const float step = largest > 0.0F ? largest / most : 1.0F;
    for (std::int64_t k = 0; k < rows.size(1); ++k) row[k] = std::round(row[k] / step) * step;
  }
}

void scale_columns(Tensor& matrix, const std::vector<float>& factors) {
  const View<float> rows = matrix.view<float>();
  for (std::int64_t i = 0; i < rows.elements(); ++i)
    rows.data()[i] *= factors[static_cast<std::size_t>(i % rows.size(1))];
}

std::vector<float> largest_of_columns(const Tensor& matrix) {
  const View<const float> rows = matrix.view<float>();
  std::vector<float> largest(static_cast<std::size_t>(rows.size(1)), 1e-6F);
  for (std::int64_t i = 0; i < rows.elements(); ++i) {
    float& mine = largest[static_cast<std::size_t>(i % rows.size(1))];
    mine = std::max(mine, std::abs(rows.data()[i]));
  }
  return largest;
}

// The orthonormal Walsh-Hadamard transform of every row, of the longest power of two that divides it, perhaps after
// some changes of sign.
void rotate_rows(Tensor& matrix, bool change_signs) {
  const View<float> rows = matrix.view<float>();
  const std::int64_t length = rows.size(1) & -rows.size(1);
  const float factor = 1.0F / std::sqrt(static_cast<float>(length));
  for (float* run = rows.data(); run != rows.data() + rows.elements(); run += length) {
    for (std::int64_t i = 0; i < length; ++i) {
      run[i] *= change_signs && uniform(4, {0, 0, 0, static_cast<std::uint32_t>(i)}) < 0.5F ? -factor : factor;
    }
    for (std::int64_t stride = 1; stride < length; stride *= 2) {
      for (std::int64_t i = 0; i < length; ++i) {
        if ((i & stride) != 0) continue;
        const float a = run[i], b = run[i + stride];
        run[i] = a + b;
        run[i + stride] = a - b;
      }
    }
  }
}

// Sets the columns of `matrix` that are (or are not) among the largest inputs to zero.
void keep_columns(Tensor& matrix, const std::vector<float>& largest, bool outliers) {
  std::vector<float> sorted = largest;
  std::nth_element(sorted.begin(), sorted.begin() + kOutlierChannels, sorted.end(), std::greater<>());
  const float limit = sorted[static_cast<std::size_t>(kOutlierChannels)];
  std::vector<float> factors(largest.size());
  std::transform(largest.begin(), largest.end(), factors.begin(),
                 [&](float size) { return (size > limit) == outliers ? 1.0F : 0.0F; });
  scale_columns(matrix, factors);
}

Tensor rounded_product(Tensor x, Tensor weight, int bits) {
  round_rows(x, bits);
  round_rows(weight, 8);
  return product(x, weight);
}

void compare_methods() {
  constexpr std::int64_t kRows = 256, kInputs = 8192, kOutputs = 512;
  const auto clone = [](const Tensor& tensor) { return tensor.clone(MemoryKind::other); };
  const Tensor weight = random_matrix(kOutputs, kInputs, 1, 1.0F / std::sqrt(static_cast<float>(kInputs)));
  fmt::print(
      "relative error of a product of {} inputs; weights 8 bits an output, inputs rounded token by token\n"
      "{:<34} {:>10} {:>14}\n",
      kInputs, "", "no outliers", "outliers");
  std::vector<Tensor> inputs;
  for (const float gain : {1.0F, kOutlierGain}) {
    Tensor x = random_matrix(kRows, kInputs, 2, 1.0F);
    for (float& v : std::span(x.view<float>().data(), static_cast<std::size_t>(x.elements()))) {
      v = 0.5F * v * (1.0F + std::erf(v / std::sqrt(2.0F)));  // gelu
    }
    std::vector<float> factors(kInputs, 1.0F);
    for (std::int64_t c = 0; c < kOutlierChannels; ++c) factors[static_cast<std::size_t>(1000 * c + 17)] = gain;
    scale_columns(x, factors);
    inputs.push_back(std::move(x));
  }
  const auto row = [&](const char* name, const std::function<Tensor(const Tensor&)>& method) {
    fmt::print("{:<34}", name);
    for (const Tensor& x : inputs) {
      const Tensor exact = product(x, weight), y = method(x);
      fmt::print(" {:>13.3f}%", 100.0 * relative_error(y.view<float>(), exact.view<float>()));
    }
    fmt::print("\n");
  };
  row("8 bits", [&](const Tensor& x) { return rounded_product(clone(x), clone(weight), 8); });
  row("8 bits, smoothed (SmoothQuant)", [&](const Tensor& x) {
    const std::vector<float> in = largest_of_columns(x), out = largest_of_columns(weight);
    std::vector<float> divide(in.size()), multiply(in.size());
    for (std::size_t k = 0; k < in.size(); ++k) {
      multiply[k] = std::sqrt(in[k] / out[k]);
      divide[k] = 1.0F / multiply[k];
    }
    Tensor smooth = clone(x), heavy = clone(weight);
    scale_columns(smooth, divide);
    scale_columns(heavy, multiply);
    return rounded_product(std::move(smooth), std::move(heavy), 8);
  });
  row("8 bits, 8 channels in float", [&](const Tensor& x) {
    const std::vector<float> largest = largest_of_columns(x);
    Tensor usual = clone(x), large = clone(x), light = clone(weight);
    keep_columns(usual, largest, false);
    keep_columns(light, largest, false);
    keep_columns(large, largest, true);
    Tensor y = rounded_product(std::move(usual), std::move(light), 8);
    const Tensor rest = product(large, weight);
    for (std::int64_t i = 0; i < y.elements(); ++i) y.view<float>().data()[i] += rest.view<float>().data()[i];
    return y;
  });
  for (const bool change_signs : {false, true}) {
    row(change_signs ? "8 bits, rotated, random signs" : "8 bits, rotated (Hadamard)", [&](const Tensor& x) {
      Tensor spread = clone(x), turned = clone(weight);
      rotate_rows(spread, change_signs);
      rotate_rows(turned, change_signs);
      return rounded_product(std::move(spread), std::move(turned), 8);
    });
  }
  row("16 bits (no VNNI)", [&](const Tensor& x) { return rounded_product(clone(x), clone(weight), 16); });
  row("the program's own", [&](const Tensor& x) {
    Tensor y(DType::f32, {kRows, kOutputs}, MemoryKind::other);
    kernels::Linear(weight, Tensor(), MemoryKind::other, WeightType::int8, true).run(x.view<float>(), y.view<float>());
    return y;
  });
}

// A model's tensors with the rows of ffn.fc1 that make the first inputs of ffn.fc2 times kOutlierGain.
class Planted final : public formats::TensorSource {
 public:
  explicit Planted(formats::WeightMap model) : model_(std::move(model)), path_(model_.description()) {
    for (const auto& [name, info] : model_.infos()) infos_.push_back(*info);
  }
  const std::vector<formats::TensorInfo>& tensors() const override { return infos_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::filesystem::path& path() const override { return path_; }
  Tensor load(const formats::TensorInfo& info) const override {
    Tensor tensor = model_.load(info);
    if (info.name.find("ffn.fc1.") == std::string::npos) return tensor;
    const std::int64_t row = tensor.elements() / tensor.shape()[0];
    BFloat16* values = tensor.view<BFloat16>().data();
    for (std::int64_t i = 0; i < kOutlierChannels * row; ++i) {
      values[i] = to_bfloat16(kOutlierGain * to_float(values[i]));
    }
    return tensor;
  }

 private:
  formats::WeightMap model_;
  std::filesystem::path path_;
  std::vector<formats::TensorInfo> infos_;
  std::map<std::string, std::string> metadata_;
};

// guidance 0: the model's own.
infinity::GenerationRequest make_request(const model::ModelSizes& sizes, std::size_t scales, float guidance) {
  Request asked;
  asked.prompt = "any";
  asked.cache.policy = "full";
  infinity::GenerationRequest request =
      engine::resolve_request(sizes, nullptr, asked, static_cast<int>(scales)).generation;
  if (guidance > 0.0F) std::fill(request.cfg.begin(), request.cfg.end(), guidance);
  return request;
}

void compare_logits(const std::string& name, std::size_t scales, float guidance) {
  const model::Architecture architecture = model::find_architecture(name);
  fmt::print("{}, random weights: relative error of the logits, by scale\n", name);
  for (const bool planted : {false, true}) {
    const auto make = [&](WeightType type) {
      formats::WeightMap weights = *model::random_bundle(architecture, 0).transformer;
      if (planted) weights = {std::make_shared<Planted>(std::move(weights)), "", "transformer"};
      backend::CpuBackend loaded;
      loaded.load(architecture.transformer, weights, type);
      return loaded;
    };
    model::Bundle bundle = model::random_bundle(architecture, 0);
    const model::ModelSizes sizes = model::read_sizes(bundle, "f32");
    const infinity::GenerationRequest request = make_request(sizes, scales, guidance);
    const Tensor text = random_matrix(20, sizes.text.width, 3, 1.0F);
    engine::Batch batch{.texts = {text.view<float>()}, .negative = {}, .seeds = {{0, 0}}};
    const study::Trace reference = study::run_traced(make(WeightType::f32), request, batch);
    batch.forced = &reference.drawn.bits;
    for (const WeightType type : {WeightType::bf16, WeightType::int8}) {
      const study::Trace other = study::run_traced(make(type), request, batch);
      fmt::print("{:<5} {:<12}", weight_type_name(type), planted ? "outliers" : "no outliers");
      for (std::size_t s = 0; s < reference.logits.size(); ++s) {
        fmt::print(" {:.2f}%",
                   100.0 * relative_error(other.logits[s].view<float>(), reference.logits[s].view<float>()));
      }
      fmt::print("\n");
    }
  }
}

}  // namespace
}  // namespace scalekv

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  try {
    if (argc == 1) {
      scalekv::compare_methods();
    } else if (argc == 3 || argc == 4) {
      scalekv::compare_logits(argv[1], std::strtoul(argv[2], nullptr, 10),
                              argc == 4 ? std::strtof(argv[3], nullptr) : 0.0F);
    } else {
      scalekv::fail_usage("outliers [ARCHITECTURE SCALES [GUIDANCE]]");
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "outliers: {}\n", error.what());
    return 1;
  }
}
