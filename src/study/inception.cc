#include "study/inception.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/pool.h"

namespace scalekv::study {
namespace {

using Layer = Inception::Layer;
using Branch = Inception::Branch;
using Block = Inception::Block;

// 35x35 maps.
Block block_a(const std::string& name, std::int64_t pool_channels) {
  return {name,
          {{Pool::none, {{"branch1x1", 64, 1, 1}}},
           {Pool::none, {{"branch5x5_1", 48, 1, 1}, {"branch5x5_2", 64, 5, 5}}},
           {Pool::none, {{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3}}},
           {Pool::mean, {{"branch_pool", pool_channels, 1, 1}}}}};
}

// 35x35 -> 17x17.
Block block_b(const std::string& name) {
  return {name,
          {{Pool::none, {{"branch3x3", 384, 3, 3, 2, false}}},
           {Pool::none,
            {{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3, 2, false}}},
           {Pool::max_halving, {}}}};
}

// 17x17 maps; `inner` channels between the long kernels.
Block block_c(const std::string& name, std::int64_t inner) {
  return {name,
          {{Pool::none, {{"branch1x1", 192, 1, 1}}},
           {Pool::none, {{"branch7x7_1", inner, 1, 1}, {"branch7x7_2", inner, 1, 7}, {"branch7x7_3", 192, 7, 1}}},
           {Pool::none,
            {{"branch7x7dbl_1", inner, 1, 1},
             {"branch7x7dbl_2", inner, 7, 1},
             {"branch7x7dbl_3", inner, 1, 7},
             {"branch7x7dbl_4", inner, 7, 1},
             {"branch7x7dbl_5", 192, 1, 7}}},
           {Pool::mean, {{"branch_pool", 192, 1, 1}}}}};
}

// 17x17 -> 8x8.
Block block_d(const std::string& name) {
  return {name,
          {{Pool::none, {{"branch3x3_1", 192, 1, 1}, {"branch3x3_2", 320, 3, 3, 2, false}}},
           {Pool::none,
            {{"branch7x7x3_1", 192, 1, 1},
             {"branch7x7x3_2", 192, 1, 7},
             {"branch7x7x3_3", 192, 7, 1},
             {"branch7x7x3_4", 192, 3, 3, 2, false}}},
           {Pool::max_halving, {}}}};
}

// 8x8 maps. The last block of the network of 2015 takes the largest value where the paper has a mean; FID depends on
// it.
Block block_e(const std::string& name, Pool pool) {
  return {name,
          {{Pool::none, {{"branch1x1", 320, 1, 1}}},
           {Pool::none, {{"branch3x3_1", 384, 1, 1}}, {{"branch3x3_2a", 384, 1, 3}, {"branch3x3_2b", 384, 3, 1}}},
           {Pool::none,
            {{"branch3x3dbl_1", 448, 1, 1}, {"branch3x3dbl_2", 384, 3, 3}},
            {{"branch3x3dbl_3a", 384, 1, 3}, {"branch3x3dbl_3b", 384, 3, 1}}},
           {pool, {{"branch_pool", 192, 1, 1}}}}};
}

std::vector<Block> architecture() {
  return {{"", {{Pool::none, {{"Conv2d_1a_3x3", 32, 3, 3, 2, false}}}}},
          {"", {{Pool::none, {{"Conv2d_2a_3x3", 32, 3, 3, 1, false}, {"Conv2d_2b_3x3", 64, 3, 3}}}}},
          {"", {{Pool::max_halving, {}}}},
          {"", {{Pool::none, {{"Conv2d_3b_1x1", 80, 1, 1}, {"Conv2d_4a_3x3", 192, 3, 3, 1, false}}}}},
          {"", {{Pool::max_halving, {}}}},
          block_a("Mixed_5b", 32),
          block_a("Mixed_5c", 64),
          block_a("Mixed_5d", 64),
          block_b("Mixed_6a"),
          block_c("Mixed_6b", 128),
          block_c("Mixed_6c", 160),
          block_c("Mixed_6d", 160),
          block_c("Mixed_6e", 192),
          block_d("Mixed_7a"),
          block_e("Mixed_7b", Pool::mean),
          block_e("Mixed_7c", Pool::max)};
}

// Takes the layer's weight [O, I, h, w], multiplied by the batch norm that follows it.
void load(Layer& layer, const std::string& prefix, std::int64_t in, formats::WeightMap& weights) {
  constexpr double kEpsilon = 0.001;
  const std::string name = prefix + layer.name;
  const auto kind = MemoryKind::other;
  const Tensor kernel = weights.take_float(name + ".conv.weight", {layer.out, in, layer.height, layer.width}, kind);
  const Tensor scale = weights.take_float(name + ".bn.weight", {layer.out}, kind);
  const Tensor shift = weights.take_float(name + ".bn.bias", {layer.out}, kind);
  const Tensor mean = weights.take_float(name + ".bn.running_mean", {layer.out}, kind);
  const Tensor variance = weights.take_float(name + ".bn.running_var", {layer.out}, kind);
  weights.ignore(name + ".bn.num_batches_tracked");
  Tensor scaled(DType::f32, kernel.shape(), kind);
  Tensor bias(DType::f32, {layer.out}, kind);
  const std::int64_t each = kernel.elements() / layer.out;
  for (std::int64_t o = 0; o < layer.out; ++o) {
    const double factor = scale.view<float>()(o) / std::sqrt(variance.view<float>()(o) + kEpsilon);
    bias.view<float>()(o) = static_cast<float>(shift.view<float>()(o) - factor * mean.view<float>()(o));
    const float* source = kernel.view<float>().data() + o * each;
    float* target = scaled.view<float>().data() + o * each;
    for (std::int64_t i = 0; i < each; ++i) target[i] = static_cast<float>(factor * source[i]);
  }
  const std::int64_t rows = layer.padded ? layer.height / 2 : 0;
  const std::int64_t columns = layer.padded ? layer.width / 2 : 0;
  layer.conv.emplace_back(scaled, bias, kernels::ConvGeometry{layer.stride, rows, columns, rows, columns});
}

Tensor run_pool(Pool pool, View<const float> x) {
  const bool halving = pool == Pool::max_halving;
  const auto size = [&](std::int64_t side) { return halving ? (side - 3) / 2 + 1 : side; };
  Tensor y(DType::f32, {size(x.size(0)), size(x.size(1)), x.size(2)}, MemoryKind::activations);
  if (pool == Pool::mean) {
    kernels::mean_pool_3x3(x, y.view<float>());
  } else {
    kernels::max_pool_3x3(x, halving ? 2 : 1, halving ? 0 : 1, y.view<float>());
  }
  return y;
}

// One map for each end of the branch.
std::vector<Tensor> run_branch(const Branch& branch, View<const float> x) {
  Tensor map;
  if (branch.pool != Pool::none) {
    map = run_pool(branch.pool, x);
    x = std::as_const(map).view<float>();
  }
  for (const Layer& layer : branch.layers) {
    map = layer.conv.front().run(x);
    x = std::as_const(map).view<float>();
  }
  std::vector<Tensor> ends;
  for (const Layer& layer : branch.fork) ends.push_back(layer.conv.front().run(x));
  if (ends.empty()) ends.push_back(std::move(map));
  return ends;
}

// [H, W, C1], [H, W, C2], ... -> [H, W, C1 + C2 + ...]
Tensor join_channels(std::vector<Tensor> maps) {
  if (maps.size() == 1) return std::move(maps.front());
  std::int64_t channels = 0;
  for (const Tensor& map : maps) channels += map.shape()[2];
  const std::int64_t places = maps.front().shape()[0] * maps.front().shape()[1];
  Tensor joined(DType::f32, {maps.front().shape()[0], maps.front().shape()[1], channels}, MemoryKind::activations);
  float* target = joined.view<float>().data();
  for (const Tensor& map : maps) {
    const float* source = std::as_const(map).view<float>().data();
    const std::int64_t own = map.shape()[2];
    for (std::int64_t place = 0; place < places; ++place)
      std::copy_n(source + place * own, own, target + place * channels);
    target += own;
  }
  return joined;
}

}  // namespace

Inception::Inception(formats::WeightMap& weights) : blocks_(architecture()) {
  std::int64_t in = 3;
  for (Block& block : blocks_) {
    const std::string prefix = block.name.empty() ? "" : block.name + ".";
    std::int64_t out = 0;
    for (Branch& branch : block.branches) {
      std::int64_t channels = in;
      for (Layer& layer : branch.layers) {
        load(layer, prefix, channels, weights);
        channels = layer.out;
      }
      std::int64_t ends = 0;
      for (Layer& layer : branch.fork) {
        load(layer, prefix, channels, weights);
        ends += layer.out;
      }
      out += branch.fork.empty() ? channels : ends;
    }
    in = out;
  }
  SCALEKV_ASSERT(in == kFeatures);
  weights.ignore("fc.");  // the classes, which nobody asks for here
  weights.expect_all_used();
}

void Inception::features(View<const float> picture, View<float> features, const Tap& tap) const {
  SCALEKV_ASSERT(picture.shape() == (Shape{kSide, kSide, 3}) && picture.contiguous());
  SCALEKV_ASSERT(features.shape() == Shape{kFeatures});
  Tensor map(DType::f32, picture.shape(), MemoryKind::activations);
  const std::int64_t count = picture.elements();
  std::transform(picture.data(), picture.data() + count, map.view<float>().data(),
                 [](float value) { return (value - 128.0F) / 128.0F; });
  for (const Block& block : blocks_) {
    std::vector<Tensor> parts;
    for (const Branch& branch : block.branches) {
      for (Tensor& end : run_branch(branch, std::as_const(map).view<float>())) parts.push_back(std::move(end));
    }
    map = join_channels(std::move(parts));
    if (tap) tap(block.name, std::as_const(map).view<float>());
  }
  const View<const float> last = std::as_const(map).view<float>();  // [8, 8, 2048]
  const std::int64_t places = last.size(0) * last.size(1);
  std::vector<double> sums(kFeatures, 0.0);
  for (std::int64_t place = 0; place < places; ++place) {
    for (std::int64_t k = 0; k < kFeatures; ++k)
      sums[static_cast<std::size_t>(k)] += last.data()[place * kFeatures + k];
  }
  for (std::int64_t k = 0; k < kFeatures; ++k)
    features(k) = static_cast<float>(sums[static_cast<std::size_t>(k)] / static_cast<double>(places));
}

}  // namespace scalekv::study
