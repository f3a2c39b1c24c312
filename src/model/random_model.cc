#include "model/random_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/ceil_divide.h"
#include "base/error.h"
#include "base/numbers.h"
#include "model/tensor_table.h"
#include "runtime/philox.h"
#include "runtime/threads.h"

namespace scalekv::model {
namespace {

class RandomTensors final : public formats::TensorSource {
 public:
  RandomTensors(const std::string& name, std::uint64_t seed, std::vector<TensorSpec> table)
      : path_("random weights of " + name), seed_(seed), table_(std::move(table)) {
    std::sort(table_.begin(), table_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const TensorSpec& entry : table_) {
      const std::int64_t bytes = entry.shape.elements() * static_cast<std::int64_t>(sizeof(BFloat16));
      infos_.push_back({entry.name, DType::bf16, entry.shape, bytes, path_});
    }
  }

  const std::vector<formats::TensorInfo>& tensors() const override { return infos_; }
  const std::filesystem::path& path() const override { return path_; }

  // Eight elements from each block of random words, 16 bits each.
  Tensor load(const formats::TensorInfo& info) const override {
    const auto index = static_cast<std::size_t>(find(info.name) - infos_.data());
    const float mean = table_[index].mean, deviation = table_[index].deviation;
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
  std::vector<TensorSpec> table_;           // sorted by name
  std::vector<formats::TensorInfo> infos_;  // in the same order
};

std::shared_ptr<const RandomTensors> random_part(const std::string& name, std::uint64_t seed,
                                                 const NetworkTable& table) {
  std::vector<TensorSpec> specs;
  table.visit([&](const TableEntry& entry) {
    if (entry.spec.role == Role::unread) return;
    specs.push_back(entry.spec);
    specs.back().name = entry.name;
  });
  return std::make_shared<RandomTensors>(name, seed, std::move(specs));
}

struct Sizes {
  const char* name;
  std::int64_t depth, width, heads, chunks, feed_forward;
  Published published;
};

// Feed-forward: 4 C, rounded to a multiple of 256, halves to the even one.
constexpr std::array kReleased = {
    Sizes{"infinity-2b", 32, 2048, 16, 8, 8192, {"infinity-2b", "1M", 3.0, 0.5}},
    Sizes{"layer12", 12, 768, 8, 4, 3072, {"infinity-125m", "0.06M"}},
    Sizes{"layer16", 16, 1152, 12, 4, 4608, {"infinity-layer16"}},
    Sizes{"layer24", 24, 1536, 16, 4, 6144, {"infinity-layer24"}},
    Sizes{"layer32", 32, 2080, 20, 4, 8192, {"infinity-layer32"}},
    Sizes{"layer40", 40, 2688, 24, 4, 10752, {"infinity-layer40"}},
    Sizes{"layer48", 48, 3360, 28, 4, 13312, {"infinity-layer48"}},
};

// The number after a name's colon.
std::int64_t parse_layers(const std::string& text, std::int64_t most) {
  const auto layers = find_number<std::int64_t>(text);
  if (!layers || *layers < 1 || *layers > most) {
    fail_usage("'{}' is no number of layers after the colon; give 1 to {}", text, most);
  }
  return *layers;
}

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
      .vae = {.codebook = 32, .decoder = {.base = 128, .multipliers = {1, 2, 4, 4, 4}, .blocks = 3}},
      .text = {.layers = 24, .width = 2048, .heads = 32, .head_size = 64, .feed_forward = 5120, .vocabulary = 32128},
      .published = sizes.published};
}

}  // namespace

const std::vector<Architecture>& known_architectures() {
  static const std::vector<Architecture> known = [] {
    std::vector<Architecture> list;
    for (const Sizes& sizes : kReleased) list.push_back(with_32_bits(sizes));
    Architecture large = with_32_bits({"infinity-8b", 40, 3584, 28, 8, 14336, {"infinity-8b", "1M", 3.0, 1.0}});
    large.transformer.bits = 56;
    large.transformer.patchify = true;
    large.vae.codebook = 14;
    large.vae.decoder.multipliers = {1, 2, 4, 4};
    list.insert(list.begin() + 1, std::move(large));
    return list;
  }();
  return known;
}

Architecture find_architecture(const std::string& name) {
  const std::size_t colon = std::min(name.find(':'), name.size());
  std::vector<std::string> names;
  for (Architecture architecture : known_architectures()) {
    names.push_back(architecture.name);
    if (architecture.name != name.substr(0, colon)) continue;
    if (colon < name.size()) {
      architecture.name = name;
      architecture.transformer.depth = parse_layers(name.substr(colon + 1), architecture.transformer.depth);
      architecture.transformer.chunks = 1;  // which any number of layers fill
    }
    return architecture;
  }
  fail_usage("there is no architecture '{}'; choose one of: {}", name, fmt::join(names, ", "));
}

Bundle random_bundle(const Architecture& architecture, std::uint64_t seed) {
  const std::string& name = architecture.name;
  const auto transformer = random_part(name, seed, infinity_table(architecture.transformer));
  const auto vae = random_part(name, seed + 1, vae_table(architecture.vae));
  const auto text_encoder = random_part(name, seed + 2, t5_table(architecture.text));
  return {.transformer = formats::WeightMap(transformer, "", "transformer"),
          .vae = formats::WeightMap(vae, "", "VAE"),
          .text_encoder = formats::WeightMap(text_encoder, "", "text encoder"),
          .text_config = {},
          .tokenizer = {},
          .random = true,
          .config_json = fmt::format(R"({{"name": "{}", "defaults": {{"size": "1M"}}}})", name),
          .calibration_json = {},
          .description = "random weights of " + name};
}

}  // namespace scalekv::model
