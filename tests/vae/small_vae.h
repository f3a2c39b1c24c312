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

namespace scalekv::vae {

inline constexpr std::int64_t kCodebook = 6;
inline constexpr std::int64_t kBase = 24;

class SmallVae : public formats::TensorSource {
 public:
  // An encoder of other channels than the decoder's has `encoder_base` in its first convolution and
  // `encoder_multiples` of them in its two levels.
  explicit SmallVae(std::int64_t encoder_base = kBase,
                    std::pair<std::int64_t, std::int64_t> encoder_multiples = {1, 2}) {
    add_conv("decoder.conv_in", kCodebook, 2 * kBase, 3);
    add_ends("decoder", 2 * kBase, kBase);
    add_level("decoder.up.1", 3, 2 * kBase, 2 * kBase);
    add_conv("decoder.up.1.upsample.conv", 2 * kBase, 2 * kBase, 3);
    add_level("decoder.up.0", 3, 2 * kBase, kBase);
    add_conv("decoder.conv_out", kBase, 3, 3);

    const std::int64_t fine = encoder_base * encoder_multiples.first, coarse = encoder_base * encoder_multiples.second;
    add_conv("encoder.conv_in", 3, encoder_base, 3);
    add_level("encoder.down.0", 2, encoder_base, fine);
    add_conv("encoder.down.0.downsample.conv", fine, fine, 3);
    add_level("encoder.down.1", 2, fine, coarse);
    add_ends("encoder", coarse, coarse);
    add_conv("encoder.conv_out", coarse, kCodebook, 3);
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
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
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
  void add_conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel) {
    shapes_.emplace(name + ".conv.weight", Shape{out, in, kernel, kernel});
    shapes_.emplace(name + ".conv.bias", Shape{out});
  }
  void add_norm(const std::string& name, std::int64_t channels) {
    shapes_.emplace(name + ".norm.weight", Shape{channels});
    shapes_.emplace(name + ".norm.bias", Shape{channels});
  }
  void add_block(const std::string& name, std::int64_t in, std::int64_t out) {
    add_norm(name + ".norm1", in);
    add_conv(name + ".conv1", in, out, 3);
    add_norm(name + ".norm2", out);
    add_conv(name + ".conv2", out, out, 3);
    if (in != out) add_conv(name + ".nin_shortcut", in, out, 1);
  }
  void add_level(const std::string& name, int blocks, std::int64_t in, std::int64_t out) {
    for (int i = 0; i < blocks; ++i) add_block(name + ".block." + std::to_string(i), i == 0 ? in : out, out);
  }
  // The two blocks in the middle, and the last normalisation.
  void add_ends(const std::string& part, std::int64_t middle, std::int64_t last) {
    add_block(part + ".mid.block_1", middle, middle);
    add_block(part + ".mid.block_2", middle, middle);
    add_norm(part + ".norm_out", last);
  }

  std::map<std::string, Shape> shapes_;
  std::vector<formats::TensorInfo> infos_;
  std::map<std::string, std::string> metadata_;
  std::filesystem::path path_ = "small.safetensors";
};

}  // namespace scalekv::vae
