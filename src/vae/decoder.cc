#include "vae/decoder.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/resample.h"
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

Decoder::Decoder(const VaeConfig& config, checkpoint::WeightMap& weights) {
  auto impl = std::make_unique<Impl>();
  impl->codebook = config.codebook;
  std::int64_t channels = config.base * config.multipliers.back();
  impl->conv_in = take_conv(weights, "decoder.conv_in", config.codebook, channels, 3);
  for (const char* name : {"decoder.mid.block_1", "decoder.mid.block_2"}) {
    impl->middle.emplace_back(weights, name, channels, channels);
  }
  for (auto level = static_cast<std::int64_t>(config.multipliers.size()) - 1; level >= 0; --level) {
    const std::int64_t outputs = config.base * config.multipliers[static_cast<std::size_t>(level)];
    Impl::Level& built = impl->levels.emplace_back();
    for (std::int64_t i = 0; i < config.decoder_blocks; ++i) {
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
  const auto show = [&](const char* stage, const Tensor& map) {
    if (tap) tap(stage, map.view<float>());
  };
  Tensor x = make_map(latent.size(0), latent.size(1), impl_->conv_in.output_channels());
  impl_->conv_in.run(latent, x.view<float>());
  show("conv_in", x);
  x = impl_->middle[0].run(std::move(x));
  show("mid1", x);
  x = impl_->middle[1].run(std::move(x));
  show("mid2", x);
  for (std::size_t i = 0; i < impl_->levels.size(); ++i) {
    const Impl::Level& level = impl_->levels[i];
    for (const ResidualBlock& block : level.blocks) x = block.run(std::move(x));
    if (i == 0) show("up_last_blocks", x);
    if (level.upsample.empty()) continue;
    Tensor doubled = make_map(2 * x.shape()[0], 2 * x.shape()[1], x.shape()[2]);  // [2h, 2w, C]
    kernels::upsample_nearest_2x(x.view<float>(), doubled.view<float>());
    x = std::move(doubled);
    x = convolve(level.upsample, x);
    if (i == 0) show("up_last_upsample", x);
  }
  impl_->norm_out.run(x.view<float>(), x.view<float>());
  x = convolve(impl_->conv_out, x);  // [H, W, 3]
  show("raw", x);
  if (!raw) {
    for (std::int64_t i = 0; i < x.elements(); ++i) {
      float& value = x.view<float>().data()[i];
      value = std::clamp(value, -1.0F, 1.0F);
    }
  }
  return x;
}

std::int64_t Decoder::predict_bytes(const VaeConfig& config, std::int64_t height, std::int64_t width) {
  std::int64_t peak = 0;
  std::int64_t cells = height * width;
  std::int64_t channels = config.base * config.multipliers.back();
  const auto live = [&](std::int64_t channels_alive) { peak = std::max(peak, 4 * cells * channels_alive); };
  for (auto level = static_cast<std::int64_t>(config.multipliers.size()) - 1; level >= 0; --level) {
    const std::int64_t outputs = config.base * config.multipliers[static_cast<std::size_t>(level)];
    live(std::max(2 * channels + outputs, channels == outputs ? 0 : channels + 2 * outputs));
    channels = outputs;
    live(3 * channels);
    if (level == 0) break;
    cells *= 4;
    live(2 * channels);
  }
  live(channels + 3);
  return peak;
}

std::int64_t Decoder::weight_bytes(const VaeConfig& config) {
  const auto conv = [](std::int64_t inputs, std::int64_t outputs, std::int64_t kernel) {
    return 4 * (inputs * outputs * kernel * kernel + outputs);
  };
  const auto block = [&](std::int64_t inputs, std::int64_t outputs) {
    return 8 * (inputs + outputs) + conv(inputs, outputs, 3) + conv(outputs, outputs, 3) +
           (inputs == outputs ? 0 : conv(inputs, outputs, 1));
  };
  std::int64_t channels = config.base * config.multipliers.back();
  std::int64_t sum = conv(config.codebook, channels, 3) + 2 * block(channels, channels);
  for (auto level = static_cast<std::int64_t>(config.multipliers.size()) - 1; level >= 0; --level) {
    const std::int64_t outputs = config.base * config.multipliers[static_cast<std::size_t>(level)];
    sum += block(channels, outputs) + (config.decoder_blocks - 1) * block(outputs, outputs);
    channels = outputs;
    if (level > 0) sum += conv(channels, channels, 3);
  }
  return sum + 8 * channels + conv(channels, 3, 3);
}

}  // namespace scalekv::vae
