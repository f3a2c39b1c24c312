#include "vae/decoder.h"

#include <algorithm>

#include "base/error.h"
#include "vae/layers.h"

namespace scalekv::vae {

struct Decoder::Impl {
  struct Level {
    std::vector<ResidualBlock> blocks;
    kernels::Conv2d upsample;  // after doubling; none at the finest level
  };

  std::int64_t codebook = 0;
  kernels::Conv2d conv_in, conv_out;
  std::vector<ResidualBlock> middle;
  std::vector<Level> levels;  // coarsest first
  Norm norm_out;
};

Decoder::Decoder(const model::VaeConfig& config, formats::WeightMap& weights) {
  auto impl = std::make_unique<Impl>();
  impl->codebook = config.codebook;
  std::int64_t channels = config.decoder.channels(config.decoder.levels() - 1);
  impl->conv_in = take_conv(weights, "decoder.conv_in", config.codebook, channels, 3);
  for (const char* name : {"decoder.mid.block_1", "decoder.mid.block_2"}) {
    impl->middle.emplace_back(weights, name, channels, channels);
  }
  for (auto level = static_cast<std::int64_t>(config.decoder.levels()) - 1; level >= 0; --level) {
    const std::int64_t outputs = config.decoder.channels(static_cast<std::size_t>(level));
    Impl::Level& built = impl->levels.emplace_back();
    for (std::int64_t i = 0; i < config.decoder.blocks; ++i) {
      built.blocks.emplace_back(weights, fmt::format("decoder.up.{}.block.{}", level, i), channels, outputs);
      channels = outputs;
    }
    if (level > 0)
      built.upsample = take_conv(weights, fmt::format("decoder.up.{}.upsample.conv", level), channels, channels, 3);
  }
  impl->norm_out = Norm(weights, "decoder.norm_out", channels);
  impl->conv_out = take_conv(weights, "decoder.conv_out", channels, 3, 3);
  impl_ = std::move(impl);
}

Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Tensor Decoder::decode(View<const float> latent, bool raw, const Tap& tap) const {
  if (latent.rank() != 3 || latent.size(2) != impl_->codebook) {
    fail("the decoder was given a latent map of shape {}, expected [h, w, {}]", latent.shape().to_string(),
         impl_->codebook);
  }
  Maps maps;
  const auto show = [&](const char* stage, View<const float> map) {
    if (tap) tap(stage, map);
  };
  convolve(impl_->conv_in, {latent}, maps);
  show("conv_in", maps.current());
  impl_->middle[0].run(maps);
  show("mid1", maps.current());
  impl_->middle[1].run(maps);
  show("mid2", maps.current());
  for (std::size_t i = 0; i < impl_->levels.size(); ++i) {
    const Impl::Level& level = impl_->levels[i];
    for (const ResidualBlock& block : level.blocks) block.run(maps);
    if (i == 0) show("up_last_blocks", maps.current());
    if (level.upsample.empty()) continue;
    convolve(level.upsample, {.map = maps.current(), .doubled = true}, maps);  // [2h, 2w, C]
    if (i == 0) show("up_last_upsample", maps.current());
  }
  Tensor image = finish(impl_->norm_out, impl_->conv_out, maps);  // [H, W, 3]
  show("raw", image.view<float>());
  if (!raw) {
    float* values = image.view<float>().data();
    std::transform(values, values + image.elements(), values, [](float x) { return std::clamp(x, -1.0F, 1.0F); });
  }
  return image;
}

PassBytes Decoder::bytes(const model::VaeConfig& config, std::int64_t height, std::int64_t width) {
  PassBytes pass(height, width);
  std::int64_t channels = config.decoder.channels(config.decoder.levels() - 1);
  pass.convolve(config.codebook, channels);
  pass.block(channels, channels);
  pass.block(channels, channels);
  for (auto level = static_cast<std::int64_t>(config.decoder.levels()) - 1; level >= 0; --level) {
    const std::int64_t outputs = config.decoder.channels(static_cast<std::size_t>(level));
    for (std::int64_t i = 0; i < config.decoder.blocks; ++i) {
      pass.block(channels, outputs);
      channels = outputs;
    }
    if (level > 0) pass.convolve(channels, channels, true);
  }
  pass.finish(channels, 3);
  return pass;
}

std::int64_t Decoder::predict_bytes(const model::VaeConfig& config, std::int64_t height, std::int64_t width) {
  return bytes(config, height, width).memory();
}

std::int64_t Decoder::weight_bytes(const model::VaeConfig& config) { return bytes(config, 1, 1).weights(); }

}  // namespace scalekv::vae
