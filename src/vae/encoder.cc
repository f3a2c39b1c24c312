#include "vae/encoder.h"

#include "core/error.h"
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

Encoder::Encoder(const VaeConfig& config, checkpoint::WeightMap& weights) {
  auto impl = std::make_unique<Impl>();
  impl->stride = config.stride();
  std::int64_t channels = config.base;
  impl->conv_in = take_conv(weights, "encoder.conv_in", 3, channels, 3);
  for (std::size_t level = 0; level < config.multipliers.size(); ++level) {
    const std::int64_t outputs = config.base * config.multipliers[level];
    Impl::Level& built = impl->levels.emplace_back();
    for (std::int64_t i = 0; i < config.encoder_blocks; ++i) {
      built.blocks.emplace_back(weights, fmt::format("encoder.down.{}.block.{}", level, i), channels, outputs);
      channels = outputs;
    }
    if (level + 1 < config.multipliers.size()) {
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
  const auto show = [&](const char* stage, const Tensor& map) {
    if (tap) tap(stage, map.view<float>());
  };
  Tensor x = make_map(image.size(0), image.size(1), impl_->conv_in.output_channels());
  impl_->conv_in.run(image, x.view<float>());
  show("conv_in", x);
  for (std::size_t i = 0; i < impl_->levels.size(); ++i) {
    const Impl::Level& level = impl_->levels[i];
    for (const ResidualBlock& block : level.blocks) x = block.run(std::move(x));
    if (!level.downsample.empty()) x = convolve(level.downsample, x);
    if (i + 2 == impl_->levels.size()) show("down_m2_downsample", x);
  }
  show("down_last", x);
  for (const ResidualBlock& block : impl_->middle) x = block.run(std::move(x));
  impl_->norm_out.run(x.view<float>(), x.view<float>());
  return convolve(impl_->conv_out, x);  // [h, w, codebook]
}

}  // namespace scalekv::vae
