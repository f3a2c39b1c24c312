#include "vae/config.h"

#include <fmt/format.h>

#include "core/error.h"

namespace scalekv::vae {
namespace {

// How many names of the form `pattern`(0), `pattern`(1), ... there are.
template <typename Name>
std::int64_t count(const checkpoint::WeightMap& weights, const Name& name) {
  std::int64_t number = 0;
  while (weights.has(name(number))) ++number;
  return number;
}

}  // namespace

VaeConfig infer_vae_config(const checkpoint::WeightMap& weights) {
  const auto block = [](std::int64_t level, std::int64_t index) {
    return fmt::format("decoder.up.{}.block.{}.conv1.conv.weight", level, index);
  };
  const Shape& in = weights.shape("decoder.conv_in.conv.weight");
  const Shape& out = weights.shape("decoder.conv_out.conv.weight");
  if (in.rank() != 4 || out.rank() != 4)
    fail("{}: decoder.conv_in and conv_out are not convolutions", weights.description());
  VaeConfig config;
  config.codebook = in[1];
  if (config.codebook < 1) fail("{}: decoder.conv_in takes no channels", weights.description());
  config.base = out[1];
  const std::int64_t levels = count(weights, [&](std::int64_t level) { return block(level, 0); });
  constexpr std::int64_t kMaxLevels = 10;
  if (levels < 1 || levels > kMaxLevels) {
    fail("{} has {} decoder levels (decoder.up.0...), expected 1 to {}", weights.description(), levels, kMaxLevels);
  }
  for (std::int64_t level = 0; level < levels; ++level) {
    const std::int64_t channels = weights.shape(block(level, 0))[0];
    if (config.base < 1 || channels < 1 || channels % config.base != 0) {
      fail("{}: decoder.up.{} has {} channels, no multiple of the finest level's {}", weights.description(), level,
           channels, config.base);
    }
    config.multipliers.push_back(channels / config.base);
  }
  if (config.multipliers.front() != 1) {
    fail("{}: decoder.up.0 has {} channels, but conv_out takes {}", weights.description(),
         config.multipliers.front() * config.base, config.base);
  }
  config.decoder_blocks = count(weights, [&](std::int64_t index) { return block(0, index); });
  config.encoder_blocks = count(
      weights, [](std::int64_t index) { return fmt::format("encoder.down.0.block.{}.conv1.conv.weight", index); });
  return config;
}

bool has_encoder(const checkpoint::WeightMap& weights) { return weights.has("encoder.conv_in.conv.weight"); }

void ignore_leftovers(checkpoint::WeightMap& weights) {
  for (const char* start : {"quantizer.", "quantize.", "disc", "image_disc", "lpips"}) weights.ignore(start);
}

}  // namespace scalekv::vae
