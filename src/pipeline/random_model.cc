#include "pipeline/random_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "core/philox.h"
#include "core/threads.h"

namespace scalekv::pipeline {
namespace {

// A tensor to be: its elements are spread evenly over mean +- sqrt(3) deviation.
struct RandomSpread {
  float mean = 0.0F;
  float deviation = 0.0F;
};

class RandomTensors final : public checkpoint::TensorSource {
 public:
  RandomTensors(const std::string& name, std::uint64_t seed) : path_("random weights of " + name), seed_(seed) {}

  void add(std::string name, const Shape& shape, float deviation, float mean = 0.0F) {
    const std::int64_t bytes = shape.elements() * static_cast<std::int64_t>(sizeof(BFloat16));
    made_.emplace_back(checkpoint::TensorInfo{std::move(name), DType::bf16, shape, bytes, path_},
                       RandomSpread{mean, deviation});
  }
  // To be called when all were added.
  void sort() {
    const auto by_name = [](const auto& a, const auto& b) { return a.first.name < b.first.name; };
    std::sort(made_.begin(), made_.end(), by_name);
    infos_.clear();
    for (const auto& [info, spread] : made_) infos_.push_back(info);
  }

  const std::vector<checkpoint::TensorInfo>& tensors() const override { return infos_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::filesystem::path& path() const override { return path_; }

  // Eight elements from each block of random words, 16 bits each.
  Tensor load(const checkpoint::TensorInfo& info) const override {
    const auto index = static_cast<std::size_t>(find(info.name) - infos_.data());
    const float mean = made_[index].second.mean, deviation = made_[index].second.deviation;
    const PhiloxKey key = {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32U)};
    const float step = 2.0F * std::sqrt(3.0F) * deviation / 65536.0F;
    Tensor tensor(DType::bf16, info.shape, MemoryKind::weights);
    const View<BFloat16> values = tensor.view<BFloat16>().reshape({tensor.elements()});
    constexpr std::int64_t kPerBlock = 8;
    parallel_for_static(ceil_divide(values.elements(), kPerBlock), [&](std::int64_t block) {
      const PhiloxCounter words =
          philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                      static_cast<std::uint32_t>(index), 0},
                     key);
      const std::int64_t first = block * kPerBlock;
      for (std::int64_t i = 0; i < std::min(kPerBlock, values.elements() - first); ++i) {
        const std::uint32_t word = words[static_cast<std::size_t>(i / 2)];
        const std::uint32_t bits = i % 2 == 0 ? word & 0xffffU : word >> 16U;
        values(first + i) = to_bfloat16(mean + (static_cast<float>(bits) - 32767.5F) * step);
      }
    });
    return tensor;
  }

 private:
  std::filesystem::path path_;
  std::uint64_t seed_;
  std::vector<std::pair<checkpoint::TensorInfo, RandomSpread>> made_;
  std::vector<checkpoint::TensorInfo> infos_;
  std::map<std::string, std::string> metadata_;
};

// Keeps what comes out of a sum over `inputs` as large as what went in.
float unit(std::int64_t inputs) { return 1.0F / std::sqrt(static_cast<float>(inputs)); }

constexpr float kBias = 0.05F;

void add_linear(RandomTensors& tensors, const std::string& name, std::int64_t inputs, std::int64_t outputs,
                float gain = 1.0F) {
  tensors.add(name + ".weight", {outputs, inputs}, gain * unit(inputs));
  tensors.add(name + ".bias", {outputs}, kBias);
}

void add_key_value(RandomTensors& tensors, const std::string& prefix, std::int64_t inputs, std::int64_t outputs) {
  tensors.add(prefix + "mat_kv.weight", {2 * outputs, inputs}, unit(inputs));
  tensors.add(prefix + "v_bias", {outputs}, kBias);
}

void add_block(RandomTensors& tensors, const infinity::InfinityConfig& config, const std::string& block) {
  const std::int64_t c = config.width;
  const float branch = unit(2 * config.depth);  // many layers add up to something of unit size
  tensors.add(block + "ada_gss", {1, 1, 6, c}, 0.2F);
  tensors.add(block + "sa.scale_mul_1H11", {1, config.heads, 1, 1}, 0.1F, std::log(4.0F));
  tensors.add(block + "sa.q_bias", {c}, kBias);
  tensors.add(block + "sa.v_bias", {c}, kBias);
  tensors.add(block + "sa.mat_qkv.weight", {3 * c, c}, unit(c));
  add_linear(tensors, block + "sa.proj", c, c);
  add_linear(tensors, block + "ca.mat_q", c, c);
  add_key_value(tensors, block + "ca.", c, c);
  add_linear(tensors, block + "ca.proj", c, c, branch);
  tensors.add(block + "ca_norm.weight", {c}, 0.1F, 1.0F);
  tensors.add(block + "ca_norm.bias", {c}, kBias);
  add_linear(tensors, block + "ffn.fc1", c, config.feed_forward);
  add_linear(tensors, block + "ffn.fc2", config.feed_forward, c);
}

std::shared_ptr<RandomTensors> random_transformer(const Architecture& architecture, std::uint64_t seed) {
  const infinity::InfinityConfig& config = architecture.transformer;
  auto tensors = std::make_shared<RandomTensors>(architecture.name, seed);
  const std::int64_t c = config.width, t = config.text_width, pool = config.pool_heads();
  tensors->add("cfg_uncond", {config.text_max, t}, 1.0F);
  tensors->add("pos_start", {1, 1, c}, 0.3F);
  tensors->add("lvl_embed.weight", {config.max_scales, c}, 0.3F);
  tensors->add("text_norm.weight", {t}, 0.1F, 1.0F);
  tensors->add("text_proj_for_sos.ca.mat_q", {1, pool, c / pool}, 1.0F);
  add_key_value(*tensors, "text_proj_for_sos.ca.", t, c);
  add_linear(*tensors, "text_proj_for_sos.ca.proj", c, c);
  add_linear(*tensors, "text_proj_for_ca.0", t, c);
  add_linear(*tensors, "text_proj_for_ca.2", c, c);
  add_linear(*tensors, "word_embed", config.bits, c);
  add_linear(*tensors, "shared_ada_lin.1", c, 6 * c, 0.2F);
  add_linear(*tensors, "head_nm.ada_lin.1", c, 2 * c, 0.2F);
  add_linear(*tensors, "head", c, 2 * config.bits);
  for (std::int64_t layer = 0; layer < config.depth; ++layer) {
    add_block(*tensors, config, infinity::block_prefix(config, layer));
  }
  tensors->sort();
  return tensors;
}

void add_convolution(RandomTensors& tensors, const std::string& name, std::int64_t inputs, std::int64_t outputs,
                     std::int64_t kernel = 3) {
  tensors.add(name + ".conv.weight", {outputs, inputs, kernel, kernel}, unit(inputs * kernel * kernel));
  tensors.add(name + ".conv.bias", {outputs}, kBias);
}

void add_norm(RandomTensors& tensors, const std::string& name, std::int64_t channels) {
  tensors.add(name + ".norm.weight", {channels}, 0.1F, 1.0F);
  tensors.add(name + ".norm.bias", {channels}, kBias);
}

void add_residual_block(RandomTensors& tensors, const std::string& name, std::int64_t inputs, std::int64_t outputs) {
  add_norm(tensors, name + ".norm1", inputs);
  add_convolution(tensors, name + ".conv1", inputs, outputs);
  add_norm(tensors, name + ".norm2", outputs);
  add_convolution(tensors, name + ".conv2", outputs, outputs);
  if (inputs != outputs) add_convolution(tensors, name + ".nin_shortcut", inputs, outputs, 1);
}

std::shared_ptr<RandomTensors> random_vae(const Architecture& architecture, std::uint64_t seed) {
  const vae::VaeConfig& config = architecture.vae;
  auto tensors = std::make_shared<RandomTensors>(architecture.name, seed);
  std::int64_t channels = config.base * config.multipliers.back();
  add_convolution(*tensors, "decoder.conv_in", config.codebook, channels);
  add_residual_block(*tensors, "decoder.mid.block_1", channels, channels);
  add_residual_block(*tensors, "decoder.mid.block_2", channels, channels);
  for (auto level = static_cast<std::int64_t>(config.multipliers.size()) - 1; level >= 0; --level) {
    const std::int64_t outputs = config.base * config.multipliers[static_cast<std::size_t>(level)];
    for (std::int64_t i = 0; i < config.decoder_blocks; ++i) {
      add_residual_block(*tensors, fmt::format("decoder.up.{}.block.{}", level, i), channels, outputs);
      channels = outputs;
    }
    if (level > 0) add_convolution(*tensors, fmt::format("decoder.up.{}.upsample.conv", level), channels, channels);
  }
  add_norm(*tensors, "decoder.norm_out", channels);
  add_convolution(*tensors, "decoder.conv_out", channels, 3);
  tensors->sort();
  return tensors;
}

std::shared_ptr<RandomTensors> random_text_encoder(const Architecture& architecture, std::uint64_t seed) {
  const text::T5Config& config = architecture.text;
  auto tensors = std::make_shared<RandomTensors>(architecture.name, seed);
  const std::int64_t width = config.width, inner = config.heads * config.head_size;
  tensors->add("shared.weight", {config.vocabulary, width}, 1.0F);
  tensors->add("encoder.final_layer_norm.weight", {width}, 0.1F, 1.0F);
  const auto matrix = [&](const std::string& name, std::int64_t inputs, std::int64_t outputs, float gain) {
    tensors->add(name, {outputs, inputs}, gain * unit(inputs));
  };
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string attention = fmt::format("encoder.block.{}.layer.0.", layer);
    const std::string dense = fmt::format("encoder.block.{}.layer.1.", layer);
    const std::string self = attention + "SelfAttention.";
    if (layer == 0) tensors->add(self + "relative_attention_bias.weight", {config.buckets, config.heads}, 1.0F);
    tensors->add(attention + "layer_norm.weight", {width}, 0.1F, 1.0F);
    matrix(self + "q.weight", width, inner, unit(config.head_size));  // T5 does not divide scores by sqrt(head size)
    matrix(self + "k.weight", width, inner, 1.0F);
    matrix(self + "v.weight", width, inner, 1.0F);
    matrix(self + "o.weight", inner, width, 1.0F);
    tensors->add(dense + "layer_norm.weight", {width}, 0.1F, 1.0F);
    matrix(dense + "DenseReluDense.wi_0.weight", width, config.feed_forward, 1.0F);
    matrix(dense + "DenseReluDense.wi_1.weight", width, config.feed_forward, 1.0F);
    matrix(dense + "DenseReluDense.wo.weight", config.feed_forward, width, 1.0F);
  }
  tensors->sort();
  return tensors;
}

struct Sizes {
  const char* name;
  std::int64_t depth, width, heads, chunks, feed_forward;
};

// Feed-forward: 4 C, rounded to a multiple of 256, halves to the even one.
constexpr std::array kReleased = {
    Sizes{"infinity-2b", 32, 2048, 16, 8, 8192}, Sizes{"layer12", 12, 768, 8, 4, 3072},
    Sizes{"layer16", 16, 1152, 12, 4, 4608},     Sizes{"layer24", 24, 1536, 16, 4, 6144},
    Sizes{"layer32", 32, 2080, 20, 4, 8192},     Sizes{"layer40", 40, 2688, 24, 4, 10752},
    Sizes{"layer48", 48, 3360, 28, 4, 13312},
};

Architecture with_32_bits(const Sizes& sizes) {
  return {
      .name = sizes.name,
      .transformer = {.depth = sizes.depth,
                      .width = sizes.width,
                      .heads = sizes.heads,
                      .chunks = sizes.chunks,
                      .feed_forward = sizes.feed_forward,
                      .text_width = 2048,
                      .bits = 32},
      .vae = {.codebook = 32, .base = 128, .multipliers = {1, 2, 4, 4, 4}},
      .text = {.layers = 24, .width = 2048, .heads = 32, .head_size = 64, .feed_forward = 5120, .vocabulary = 32128}};
}

}  // namespace

const std::vector<Architecture>& known_architectures() {
  static const std::vector<Architecture> known = [] {
    std::vector<Architecture> list;
    for (const Sizes& sizes : kReleased) list.push_back(with_32_bits(sizes));
    Architecture large = with_32_bits({"infinity-8b", 40, 3584, 28, 8, 14336});
    large.transformer.bits = 56;
    large.transformer.patchify = true;
    large.vae.codebook = 14;
    large.vae.multipliers = {1, 2, 4, 4};
    list.insert(list.begin() + 1, std::move(large));
    return list;
  }();
  return known;
}

const Architecture& find_architecture(const std::string& name) {
  std::vector<std::string> names;
  for (const Architecture& architecture : known_architectures()) {
    if (architecture.name == name) return architecture;
    names.push_back(architecture.name);
  }
  fail_usage("there is no architecture '{}'; choose one of: {}", name, fmt::join(names, ", "));
}

checkpoint::Bundle random_bundle(const Architecture& architecture, std::uint64_t seed) {
  return {.transformer = checkpoint::WeightMap(random_transformer(architecture, seed), "", "transformer"),
          .vae = checkpoint::WeightMap(random_vae(architecture, seed + 1), "", "VAE"),
          .text_encoder = checkpoint::WeightMap(random_text_encoder(architecture, seed + 2), "", "text encoder"),
          .tokenizer = {},
          .random = true,
          .config_json = fmt::format(R"({{"name": "{}", "defaults": {{"size": "1M"}}}})", architecture.name),
          .calibration_json = {},
          .description = "random weights of " + architecture.name};
}

}  // namespace scalekv::pipeline
