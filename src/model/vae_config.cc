#include "model/vae_config.h"

#include <fmt/format.h>

#include <numeric>

#include "base/error.h"

namespace scalekv::model {
namespace {

// How many names of the form `pattern`(0), `pattern`(1), ... there are.
template <typename Name>
std::int64_t count(const formats::WeightMap& weights, const Name& name) {
  std::int64_t number = 0;
  while (weights.has(name(number))) ++number;
  return number;
}

// A half whose levels are `levels` (decoder.up, encoder.down).
CoderConfig infer_coder(const formats::WeightMap& weights, const std::string& levels) {
  const auto block = [&](std::int64_t level, std::int64_t index) {
    return fmt::format("{}.{}.block.{}.conv1.conv.weight", levels, level, index);
  };
  constexpr std::int64_t kMaxLevels = 10;
  constexpr std::int64_t kSmallestBase = 8;  // the released ones have 128
  const std::int64_t count_of_levels = count(weights, [&](std::int64_t level) { return block(level, 0); });
  if (count_of_levels < 1 || count_of_levels > kMaxLevels) {
    fail("{} has {} levels ({}.0 ...), expected 1 to {}", weights.description(), count_of_levels, levels, kMaxLevels);
  }
  CoderConfig config;
  std::vector<std::int64_t> channels;
  for (std::int64_t level = 0; level < count_of_levels; ++level) {
    const Shape& kernel = weights.shape(block(level, 0));
    if (kernel.rank() != 4 || kernel[0] < 1) fail("{}: {} is no convolution", weights.description(), block(level, 0));
    channels.push_back(kernel[0]);
    config.base = std::gcd(config.base, kernel[0]);
    if (config.base < kSmallestBase) {
      fail("{}: {}.{} has {} channels, which share no factor of at least {} with the finer levels'",
           weights.description(), levels, level, kernel[0], kSmallestBase);
    }
  }
  for (const std::int64_t level : channels) config.multipliers.push_back(level / config.base);
  config.blocks = count(weights, [&](std::int64_t index) { return block(0, index); });
  constexpr std::int64_t kMaxBlocks = 64;  // the released ones have 2 and 3
  if (config.blocks > kMaxBlocks) {
    fail("{} has {} blocks a level ({}.0 ...), expected 1 to {}", weights.description(), config.blocks, levels,
         kMaxBlocks);
  }
  return config;
}

// A convolution at the end of a half. [outputs, inputs, 3, 3]
const Shape& convolution(const formats::WeightMap& weights, const std::string& name) {
  const Shape& shape = weights.shape(name + ".conv.weight");
  if (shape.rank() != 4) fail("{}: {} is no convolution", weights.description(), name);
  return shape;
}

CoderConfig infer_decoder(const formats::WeightMap& weights) {
  CoderConfig config = infer_coder(weights, "decoder.up");
  const std::int64_t last = convolution(weights, "decoder.conv_out")[1];
  if (config.channels(0) != last) {
    fail("{}: decoder.up.0 has {} channels, but conv_out takes {}", weights.description(), config.channels(0), last);
  }
  return config;
}

// Its first convolution gives `base` channels, whatever the finest level has.
CoderConfig infer_encoder(const formats::WeightMap& weights) {
  CoderConfig config = infer_coder(weights, "encoder.down");
  const std::int64_t base = convolution(weights, "encoder.conv_in")[0];
  for (std::size_t level = 0; level < config.levels(); ++level) {
    const std::int64_t channels = config.channels(level);
    if (base < 1 || channels % base != 0) {
      fail("{}: encoder.down.{} has {} channels, no multiple of the {} that conv_in gives", weights.description(),
           level, channels, base);
    }
    config.multipliers[level] = channels / base;
  }
  config.base = base;
  return config;
}

}  // namespace

VaeConfig infer_vae_config(const formats::WeightMap& weights) {
  VaeConfig config;
  config.codebook = convolution(weights, "decoder.conv_in")[1];
  if (config.codebook < 1) fail("{}: decoder.conv_in takes no channels", weights.description());
  config.decoder = infer_decoder(weights);
  if (!weights.has("encoder.conv_in.conv.weight")) return config;
  config.encoder = infer_encoder(weights);
  if (config.encoder.levels() != config.decoder.levels()) {
    fail("{}: the encoder has {} levels, the decoder {}; they belong to different VAEs", weights.description(),
         config.encoder.levels(), config.decoder.levels());
  }
  return config;
}

}  // namespace scalekv::model
