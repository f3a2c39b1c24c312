#include "vae/encoder.h"

#include "base/error.h"
#include "vae/layers.h"

namespace scalekv::vae {

struct Encoder::Impl {
  struct Level {
    std::vector<ResidualBlock> blocks;
    kernels::Conv2d downsample;  // none at the coarsest level
  };

  std::int64_t stride = 1;
  kernels::Conv2d conv_in, conv_out;
  std::vector<Level> levels;  // finest first
  std::vector<ResidualBlock> middle;
  Norm norm_out;
};

Encoder::Encoder(const model::VaeConfig& config, formats::WeightMap& weights) {
  auto impl = std::make_unique<Impl>();
  impl->stride = config.stride();
  std::int64_t channels = config.encoder.base;
  impl->conv_in = take_conv(weights, "encoder.conv_in", 3, channels, 3);
  for (std::size_t level = 0; level < config.encoder.levels(); ++level) {
    const std::int64_t outputs = config.encoder.channels(level);
    Impl::Level& built = impl->levels.emplace_back();
    for (std::int64_t i = 0; i < config.encoder.blocks; ++i) {
      built.blocks.emplace_back(weights, fmt::format("encoder.down.{}.block.{}", level, i), channels, outputs);
      channels = outputs;
    }
    if (level + 1 < config.encoder.levels()) {
      // Padded right and below only, as the reference does.
      const kernels::ConvGeometry geometry{.stride = 2, .pad_top = 0, .pad_left = 0, .pad_bottom = 1, .pad_right = 1};
      built.downsample =
          take_conv(weights, fmt::format("encoder.down.{}.downsample.conv", level), channels, channels, 3, geometry);
    }
  }
  for (const char* name : {"encoder.mid.block_1", "encoder.mid.block_2"}) {
    impl->middle.emplace_back(weights, name, channels, channels);
  }
  impl->norm_out = Norm(weights, "encoder.norm_out", channels);
  impl->conv_out = take_conv(weights, "encoder.conv_out", channels, config.codebook, 3);
  impl_ = std::move(impl);
}

Encoder::~Encoder() = default;
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;

Tensor Encoder::encode(View<const float> image, const Tap& tap) const {
  if (image.rank() != 3 || image.size(2) != 3 || image.size(0) % impl_->stride != 0 ||
      image.size(1) % impl_->stride != 0) {
    fail("the encoder was given an image of shape {}, expected [H, W, 3] in multiples of {}", image.shape().to_string(),
         impl_->stride);
  }
  Maps maps;
  const auto show = [&](const char* stage) {
    if (tap) tap(stage, maps.current());
  };
  convolve(impl_->conv_in, {image}, maps);
  show("conv_in");
  for (std::size_t i = 0; i < impl_->levels.size(); ++i) {
    const Impl::Level& level = impl_->levels[i];
    for (const ResidualBlock& block : level.blocks) block.run(maps);
    if (!level.downsample.empty()) convolve(level.downsample, {maps.current()}, maps);
    if (i + 2 == impl_->levels.size()) show("down_m2_downsample");
  }
  show("down_last");
  for (const ResidualBlock& block : impl_->middle) block.run(maps);
  return finish(impl_->norm_out, impl_->conv_out, maps);  // [h, w, codebook]
}

std::int64_t Encoder::predict_bytes(const model::VaeConfig& config, std::int64_t height, std::int64_t width) {
  PassBytes pass(height, width);
  std::int64_t channels = config.encoder.base;
  pass.convolve(3, channels);
  for (std::size_t level = 0; level < config.encoder.levels(); ++level) {
    const std::int64_t outputs = config.encoder.channels(level);
    for (std::int64_t i = 0; i < config.encoder.blocks; ++i) {
      pass.block(channels, outputs);
      channels = outputs;
    }
    if (level + 1 < config.encoder.levels()) pass.convolve(channels, channels, false, 2);
  }
  pass.block(channels, channels);
  pass.block(channels, channels);
  pass.finish(channels, config.codebook);
  return pass.memory();
}

}  // namespace scalekv::vae
