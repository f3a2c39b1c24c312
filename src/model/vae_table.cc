// Infinity's image tokenizer: a convolutional decoder and encoder, under the names that bundles give their tensors.
#include <fmt/format.h>

#include "model/table_lines.h"

namespace scalekv::model {
namespace {

Lines convolution(const std::string& name, std::int64_t inputs, std::int64_t outputs, std::int64_t cells,
                  std::int64_t kernel = 3) {
  return join({{{.name = name + ".conv.weight",
                 .shape = {outputs, inputs, kernel, kernel},
                 .role = Role::convolution,
                 .deviation = unit(inputs * kernel * kernel),
                 .uses = cells}},
               bias(name + ".conv.bias", outputs)});
}

Lines norm(const std::string& name, std::int64_t channels) {
  return join({norm_weight(name + ".norm.weight", channels, Role::own_values),
               bias(name + ".norm.bias", channels, Role::own_values)});
}

Lines tensors_of(const CoderLayer& layer) {
  const auto& [kind, name, inputs, outputs, cells, stage] = layer;
  switch (kind) {
    case CoderLayer::Kind::convolution:
    case CoderLayer::Kind::upsample:
    case CoderLayer::Kind::downsample:
      return convolution(name, inputs, outputs, cells);
    case CoderLayer::Kind::block:
      return join({norm(name + ".norm1", inputs), convolution(name + ".conv1", inputs, outputs, cells),
                   norm(name + ".norm2", outputs), convolution(name + ".conv2", outputs, outputs, cells),
                   inputs == outputs ? Lines() : convolution(name + ".nin_shortcut", inputs, outputs, cells, 1)});
    case CoderLayer::Kind::finish:
      return join({norm(name + ".norm_out", inputs), convolution(name + ".conv_out", inputs, outputs, cells)});
  }
  return {};
}

}  // namespace

std::vector<CoderLayer> decoder_layers(const VaeConfig& config) {
  using Kind = CoderLayer::Kind;
  const CoderConfig& half = config.decoder;
  const std::size_t coarsest = half.levels() - 1;
  std::int64_t channels = half.channels(coarsest), cells = 1;
  std::vector<CoderLayer> layers = {
      {Kind::convolution, "decoder.conv_in", config.codebook, channels, 1, "conv_in"},
      {Kind::block, "decoder.mid.block_1", channels, channels, 1, "mid1"},
      {Kind::block, "decoder.mid.block_2", channels, channels, 1, "mid2"},
  };
  for (std::size_t level = half.levels(); level-- > 0;) {
    const std::int64_t outputs = half.channels(level);
    for (std::int64_t i = 0; i < half.blocks; ++i) {
      layers.push_back({Kind::block, fmt::format("decoder.up.{}.block.{}", level, i), channels, outputs, cells});
      channels = outputs;
    }
    if (level == coarsest) layers.back().stage = "up_last_blocks";
    if (level == 0) break;
    cells *= 4;
    layers.push_back({Kind::upsample, fmt::format("decoder.up.{}.upsample.conv", level), channels, channels, cells,
                      level == coarsest ? "up_last_upsample" : ""});
  }
  layers.push_back({Kind::finish, "decoder", channels, 3, cells, "raw"});
  return layers;
}

std::vector<CoderLayer> encoder_layers(const VaeConfig& config) {
  using Kind = CoderLayer::Kind;
  const CoderConfig& half = config.encoder;
  std::int64_t channels = half.base, cells = config.stride() * config.stride();
  std::vector<CoderLayer> layers = {{Kind::convolution, "encoder.conv_in", 3, channels, cells, "conv_in"}};
  for (std::size_t level = 0; level < half.levels(); ++level) {
    const std::int64_t outputs = half.channels(level);
    for (std::int64_t i = 0; i < half.blocks; ++i) {
      layers.push_back({Kind::block, fmt::format("encoder.down.{}.block.{}", level, i), channels, outputs, cells});
      channels = outputs;
    }
    if (level + 1 == half.levels()) break;
    cells /= 4;
    layers.push_back({Kind::downsample, fmt::format("encoder.down.{}.downsample.conv", level), channels, channels,
                      cells, level + 2 == half.levels() ? "down_m2_downsample" : ""});
  }
  layers.back().stage = "down_last";
  layers.push_back({Kind::block, "encoder.mid.block_1", channels, channels});
  layers.push_back({Kind::block, "encoder.mid.block_2", channels, channels});
  layers.push_back({Kind::finish, "encoder", channels, config.codebook});
  return layers;
}

NetworkTable vae_table(const VaeConfig& config) {
  NetworkTable table;
  std::vector<CoderLayer> layers = decoder_layers(config);
  if (config.encoder.levels() > 0) {
    for (CoderLayer& layer : encoder_layers(config)) layers.push_back(std::move(layer));
  }
  for (const CoderLayer& layer : layers) {
    for (TensorSpec& spec : tensors_of(layer)) table.tensors.push_back(std::move(spec));
  }
  table.starts = {"decoder.", "encoder."};
  table.leftovers = {"quantizer.", "quantize.", "disc", "image_disc", "lpips"};
  return table;
}

}  // namespace scalekv::model
