// What selection and compaction take beside the rest of a block's work: Infinity-2B's sizes (width 2048, 16 heads of
// 128), the square 13-map schedule at 1024x1024, scalekv at 10%, one sequence. A drafter layer and a refiner layer run
// through all scales but the last, which selects nothing; the rest of a block is its six matrix products and its
// attention over the same cache.
//   build/release/bench/bench_selection
// Times are the process's CPU time, summed over threads: a share of them does not depend on what else the machine does.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <optional>
#include <vector>

#include "cache/layer_cache.h"
#include "cache/policy.h"
#include "kernels/linear.h"
#include "runtime/philox.h"
#include "runtime/runtime.h"
#include "runtime/threads.h"

namespace scalekv {
namespace {

constexpr std::int64_t kHeads = 16, kSize = 128, kWidth = kHeads * kSize, kHidden = 4 * kWidth;
constexpr int kLayers = 32, kDrafter = 0, kRefiner = kLayers - 1;

cache::CacheGeometry geometry() {
  std::vector<MapSize> scales;
  for (const std::int64_t side : {1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64}) scales.push_back({side, side});
  return {.layers = kLayers, .heads = kHeads, .head_size = kSize, .scales = scales};
}

Tensor random_tensor(const Shape& shape, float scale) {
  Tensor tensor(DType::f32, shape, MemoryKind::other);
  float* values = tensor.view<float>().data();
  parallel_for_static(tensor.elements(), [&](std::int64_t i) {
    values[i] = scale * (uniform(1, {static_cast<std::uint32_t>(i), 0, 0, 0}) - 0.5F);
  });
  return tensor;
}

double cpu_seconds(const auto& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// The matrix products of one block for `tokens` rows.
class Products {
 public:
  Products() {
    for (const auto& [inputs, outputs] : kShapes) {
      layers_.emplace_back(random_tensor({outputs, inputs}, 0.02F), Tensor(), MemoryKind::other);
    }
  }
  double seconds(std::int64_t tokens) const {
    const Tensor x = random_tensor({tokens, kHidden}, 1.0F);
    Tensor y(DType::f32, {tokens, kHidden}, MemoryKind::other);
    return cpu_seconds([&] {
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        const auto [inputs, outputs] = kShapes[i];
        layers_[i].run(View<const float>(x.view<float>().data(), Shape{tokens, inputs}),
                       View<float>(y.view<float>().data(), Shape{tokens, outputs}));
      }
    });
  }

 private:
  // qkv, attention's output, cross-attention's query and output, feed-forward.
  static constexpr std::pair<std::int64_t, std::int64_t> kShapes[] = {
      {kWidth, 3 * kWidth}, {kWidth, kWidth}, {kWidth, kWidth}, {kWidth, kWidth}, {kWidth, kHidden}, {kHidden, kWidth}};
  std::vector<kernels::Linear> layers_;
};

struct Times {
  double attention = 0.0, writing = 0.0, selection = 0.0;
};

// One layer at one scale, as infinity::Block does it.
Times run_layer(cache::KvCache& cache, int layer, View<const float> qkv) {
  Times times;
  std::optional<cache::LayerCache> mine;
  times.writing = cpu_seconds([&] {
    mine.emplace(cache, layer, 0, qkv);
    mine->append();
  });
  Tensor out(DType::f32, {qkv.size(0), kWidth}, MemoryKind::other);
  times.attention = cpu_seconds([&] { mine->attend(out.view<float>()); });
  times.selection = cpu_seconds([&] { mine->keep(); });
  return times;
}

void run() {
  const cache::CacheGeometry shape = geometry();
  const Products products;
  std::vector<double> linear;
  std::vector<Tensor> maps;
  const int scales = shape.scale_count() - 1;
  for (int scale = 0; scale < scales; ++scale) {
    linear.push_back(products.seconds(shape.map_tokens(scale)));
    maps.push_back(random_tensor({shape.map_tokens(scale), 3 * kWidth}, 0.3F));
  }
  fmt::print("{:<10} {:<5} {:>7} | CPU s a drafter / a refiner: {:>13} {:>15} {:>15} {:>17} {:>8}\n", "selector", "kv",
             "tokens", "products", "attention", "writing", "selection", "share");
  for (const char* name : {"reference", "attention"}) {
    for (const auto precision : {kernels::KvPrecision::f32, kernels::KvPrecision::int8}) {
      const cache::Policy policy = cache::make_policy({"scalekv", 0.10, name, nullptr}, shape);
      cache::KvCache cache(cache::KeepPlan(shape, policy.budget), policy.selector, 1, std::vector<std::int64_t>(13, 1),
                           precision);
      double all = 0.0, selecting = 0.0;  // of the model's mix: 2 drafters, 30 refiners
      for (int scale = 0; scale < scales; ++scale) {
        cache.begin_scale(scale);
        const auto index = static_cast<std::size_t>(scale);
        const View<const float> qkv = maps[index].view<float>();
        const Times drafter = run_layer(cache, kDrafter, qkv);
        const Times refiner = run_layer(cache, kRefiner, qkv);
        const auto mix = [](double a, double b) { return 2.0 * a + 30.0 * b; };
        const double selection = mix(drafter.selection, refiner.selection);
        const double step = 32.0 * linear[index] + mix(drafter.attention, refiner.attention) +
                            mix(drafter.writing, refiner.writing) + selection;
        all += step;
        selecting += selection;
        if (scale < 6) continue;
        fmt::print("{:<10} {:<5} {:>7} {:>43.3f} {:>7.3f}/{:>7.3f} {:>7.4f}/{:>7.4f} {:>8.4f}/{:>8.4f} {:>7.2f}%\n",
                   name, kernels::kv_precision_name(precision), shape.map_tokens(scale), linear[index],
                   drafter.attention, refiner.attention, drafter.writing, refiner.writing, drafter.selection,
                   refiner.selection, 100.0 * selection / step);
      }
      fmt::print("{:<10} {:<5} together, 2 drafters and 30 refiners: selection and compaction {:.2f}%\n", name,
                 kernels::kv_precision_name(precision), 100.0 * selecting / all);
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace scalekv

int main() {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  scalekv::run();
}
