// A VAE of random weights in memory: 2 levels, so 2 pixels a latent cell.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "formats/tensor_source.h"
#include "formats/weight_map.h"
#include "model/tensor_table.h"

namespace scalekv::vae {

inline constexpr std::int64_t kCodebook = 6;
inline constexpr std::int64_t kBase = 24;

class SmallVae : public formats::TensorSource {
 public:
  // An encoder of other channels than the decoder's has `encoder_base` in its first convolution and
  // `encoder_multiples` of them in its two levels.
  explicit SmallVae(std::int64_t encoder_base = kBase,
                    std::pair<std::int64_t, std::int64_t> encoder_multiples = {1, 2}) {
    const model::VaeConfig config{
        .codebook = kCodebook,
        .decoder = {.base = kBase, .multipliers = {1, 2}, .blocks = 3},
        .encoder = {
            .base = encoder_base, .multipliers = {encoder_multiples.first, encoder_multiples.second}, .blocks = 2}};
    model::vae_table(config).visit(
        [&](const model::TableEntry& entry) { shapes_.emplace(entry.name, entry.spec.shape); });
  }

  void remove(const std::string& name) { shapes_.erase(name); }
  void reshape(const std::string& name, const Shape& shape) { shapes_.at(name) = shape; }

  // The tensors as the engine takes them; changes are made before.
  static formats::WeightMap open(const std::shared_ptr<SmallVae>& vae) {
    vae->infos_.clear();
    for (const auto& [name, shape] : vae->shapes_) {
      vae->infos_.push_back(
          {.name = name, .dtype = DType::f32, .shape = shape, .bytes = 4 * shape.elements(), .file = {}});
    }
    return {vae, "", "VAE"};
  }

  const std::vector<formats::TensorInfo>& tensors() const override { return infos_; }
  const std::filesystem::path& path() const override { return path_; }
  Tensor load(const formats::TensorInfo& info) const override {
    Tensor tensor(DType::f32, info.shape, MemoryKind::other);
    std::mt19937 random(static_cast<std::uint32_t>(std::hash<std::string>()(info.name)));
    std::normal_distribution<float> normal(0.0F, 1.0F);
    const auto fan_in = static_cast<float>(info.shape.elements() / std::max<std::int64_t>(1, info.shape[0]));
    const float scale = 1.0F / std::sqrt(fan_in);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) tensor.view<float>().data()[i] = scale * normal(random);
    return tensor;
  }

 private:
  std::map<std::string, Shape> shapes_;
  std::vector<formats::TensorInfo> infos_;
  std::filesystem::path path_ = "small.safetensors";
};

}  // namespace scalekv::vae
