#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "golden/checks.h"
#include "golden/maps.h"
#include "kernels/resample.h"
#include "vae/coder.h"
#include "vae/quantizer.h"

namespace scalekv::golden {
namespace {

// A value's sign is unsure below this.
constexpr float kSign = 1e-4F;

// The scales in latent cells.
std::vector<MapSize> read_latent_schedule(const Fixture& fixture) {
  for (const nlohmann::json* settings : {&fixture.json(), &fixture.config()}) {
    for (const char* key : {"vae_sched", "vae_schedule", "schedule"}) {
      if (settings->contains(key)) return read_schedule((*settings)[key]);
    }
  }
  fail("{}.json names no schedule for the encoder", fixture.path().string());
}

class VaeCheck {
 public:
  VaeCheck(const Fixture& fixture, Report& report)
      : fixture_(fixture),
        report_(report),
        weights_(fixture.source(), "vae.", "VAE"),
        config_(model::infer_vae_config(weights_)),
        decoder_(config_, weights_),
        maps_(fixture, report) {}

  void check_encoder() {
    if (!fixture_.has("enc.image_u8")) return;
    report_.input("enc.image_u8");
    const vae::Encoder encoder(config_, weights_);
    const std::vector<MapSize> scales = read_latent_schedule(fixture_);
    const Integers images = fixture_.integers("enc.image_u8");  // [B, H, W, 3]
    const std::int64_t pixels = images.shape[1] * images.shape[2] * 3;
    for (std::int64_t image = 0; image < images.shape[0]; ++image) {
      Tensor x(DType::f32, {images.shape[1], images.shape[2], 3}, MemoryKind::other);
      for (std::int64_t i = 0; i < pixels; ++i) {
        const auto value = static_cast<float>(images.values[static_cast<std::size_t>(image * pixels + i)]);
        x.view<float>().data()[i] = value / 255.0F * 2.0F - 1.0F;
      }
      encode(encoder, image, x.view<float>(), scales);
    }
    maps_.finish();
    compare_bits(scales.size());
    if (fixture_.has("enc.recon_u8_rgb_sub")) {
      report_.pixels("enc.recon_u8_rgb_sub", fixture_.integers("enc.recon_u8_rgb_sub").values,
                     to_pixels(pictures_, fixture_.shape("enc.recon_u8_rgb_sub"), false));
    }
  }

  void check_decoder() {
    if (!fixture_.has("dec.z")) return;
    report_.input("dec.z");
    const std::vector<Tensor> latents = channels_last(fixture_.numbers("dec.z"));
    for (std::size_t i = 0; i < latents.size(); ++i) {
      const auto image = static_cast<std::int64_t>(i);
      const Tensor clamped =
          decoder_.decode(latents[i].view<float>(), false, [&](std::string_view stage, View<const float> value) {
            if (stage != "raw") maps_.add("dec.tap." + std::string(stage), image, value);
          });
      maps_.add("dec.clamped", image, clamped.view<float>());
      maps_.add("dec.raw", image, decoder_.decode(latents[i].view<float>(), true).view<float>());
    }
    maps_.finish();
  }

 private:
  void encode(const vae::Encoder& encoder, std::int64_t image, View<const float> x,
              const std::vector<MapSize>& scales) {
    const Tensor features = encoder.encode(x, [&](std::string_view stage, View<const float> value) {
      maps_.add("enc.tap." + std::string(stage), image, value);
    });
    maps_.add("enc.h", image, features.view<float>());
    vae::Quantized quantized = vae::quantize(features.view<float>(), scales, true);
    // A sign that rounding turned changes every scale behind it: go on with the fixture's bits, then.
    const std::vector<Tensor> stored = stored_bits(image, scales);
    if (!stored.empty() && !same_bits(quantized.bits, stored)) {
      quantized = follow_bits(features.view<float>(), stored);
    }
    maps_.add("enc.z", image, quantized.sum.view<float>());
    for (std::size_t scale = 0; scale < scales.size(); ++scale) {
      maps_.add(fmt::format("enc.lfq_in.s{}", scale), image, quantized.residuals[scale].view<float>());
    }
    sum_bits(image, quantized, scales);
    pictures_.push_back(decoder_.decode(quantized.sum.view<float>()));
    maps_.add("enc.recon_f32_sub", image, pictures_.back().view<float>());
    quantized_.push_back(std::move(quantized));
  }

  // The way back from bits to the latent map, and what each scale of the transformer would see of it in training.
  void sum_bits(std::int64_t image, const vae::Quantized& quantized, const std::vector<MapSize>& scales) {
    Tensor sum = Tensor::zeros<float>(quantized.sum.shape(), MemoryKind::other);
    for (std::size_t scale = 0; scale < scales.size(); ++scale) {
      const Shape shape{scales[scale].height, scales[scale].width, config_.codebook};
      if (scale > 0) {
        Tensor seen(DType::f32, shape, MemoryKind::other);
        if (shape == sum.shape()) {
          std::copy_n(sum.view<float>().data(), sum.elements(), seen.view<float>().data());
        } else {
          kernels::resample_area(sum.view<float>(), seen.view<float>());
        }
        maps_.add(fmt::format("enc.var_in.s{}", scale), image, seen.view<float>());
      }
      Tensor codes(DType::f32, shape, MemoryKind::other);
      vae::bits_to_codes(quantized.bits[scale].view<std::uint8_t>(), codes.view<float>());
      vae::accumulate_codes(codes.view<float>(), sum.view<float>());
    }
    maps_.add("enc.summed_from_bits", image, sum.view<float>());
  }

  // An image's bits in the fixture; empty where a scale is missing.
  std::vector<Tensor> stored_bits(std::int64_t image, const std::vector<MapSize>& scales) const {
    std::vector<Tensor> stored;
    for (std::size_t scale = 0; scale < scales.size(); ++scale) {
      const std::string name = fmt::format("enc.bits.s{}", scale);
      if (!fixture_.has(name)) return {};
      std::vector<Tensor> images = split_bits(fixture_.integers(name));
      stored.push_back(std::move(images.at(static_cast<std::size_t>(image))));
      const Shape expected{scales[scale].height, scales[scale].width, config_.codebook};
      if (stored.back().shape() != expected) {
        fail("{} has maps of shape {}, not {}", name, stored.back().shape().to_string(), expected.to_string());
      }
    }
    return stored;
  }

  static bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
      const std::uint8_t* first = x.view<std::uint8_t>().data();
      return std::equal(first, first + x.elements(), y.view<std::uint8_t>().data());
    });
  }

  // Quantisation of residuals that `stored` bits leave; its own bits are the signs of those residuals.
  static vae::Quantized follow_bits(View<const float> features, const std::vector<Tensor>& stored) {
    vae::Quantized followed;
    followed.sum = Tensor::zeros<float>(features.shape(), MemoryKind::other);
    Tensor residual(DType::f32, features.shape(), MemoryKind::other);
    for (const Tensor& bits : stored) {
      const View<const float> sum = followed.sum.view<float>();
      for (std::int64_t i = 0; i < sum.elements(); ++i) {
        residual.view<float>().data()[i] = features.data()[i] - sum.data()[i];
      }
      Tensor seen(DType::f32, bits.shape(), MemoryKind::other);
      kernels::resample_area(residual.view<float>(), seen.view<float>());
      Tensor signs(DType::u8, bits.shape(), MemoryKind::other);
      for (std::int64_t i = 0; i < signs.elements(); ++i) {
        signs.view<std::uint8_t>().data()[i] = seen.view<float>().data()[i] > 0.0F ? 1 : 0;
      }
      Tensor codes(DType::f32, bits.shape(), MemoryKind::other);
      vae::bits_to_codes(bits.view<std::uint8_t>(), codes.view<float>());
      vae::accumulate_codes(codes.view<float>(), followed.sum.view<float>());
      followed.bits.push_back(std::move(signs));
      followed.residuals.push_back(std::move(seen));
    }
    return followed;
  }

  // Identical, or different only where the value whose sign was taken is next to zero.
  void compare_bits(std::size_t scales) {
    for (std::size_t scale = 0; scale < scales; ++scale) {
      const std::string name = fmt::format("enc.bits.s{}", scale);
      if (!fixture_.has(name)) continue;
      std::vector<const Tensor*> maps;
      for (const vae::Quantized& quantized : quantized_) maps.push_back(&quantized.bits[scale]);
      const std::vector<std::int64_t> expected = fixture_.integers(name).values;
      const std::vector<std::int64_t> actual = join_bits(maps);
      const std::string input = fmt::format("enc.lfq_in.s{}", scale);
      if (expected == actual || expected.size() != actual.size() || !fixture_.has(input)) {
        report_.exact(name, expected, actual);
        continue;
      }
      std::vector<float> signed_values;
      for (const Tensor& map : channels_last(fixture_.numbers(input))) {
        const float* first = map.view<float>().data();
        signed_values.insert(signed_values.end(), first, first + map.elements());
      }
      std::size_t differences = 0;
      std::size_t unsure = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (expected[i] == actual[i]) continue;
        ++(std::abs(signed_values.at(i)) < kSign ? unsure : differences);
      }
      report_.verdict(
          name, differences == 0,
          fmt::format("differs at {} places, of which {} have |value| < 1e-4", differences + unsure, unsure));
    }
  }

  const Fixture& fixture_;
  Report& report_;
  formats::WeightMap weights_;
  model::VaeConfig config_;
  vae::Decoder decoder_;
  MapCollector maps_;
  std::vector<vae::Quantized> quantized_;
  std::vector<Tensor> pictures_;
};

}  // namespace

void check_vae(const Fixture& fixture, Report& report) {
  const bool wanted = fixture.has("enc.image_u8") || fixture.has("dec.z");
  if (!wanted || fixture.names("vae.").empty()) return;
  report.input_prefix(fixture, "vae.");
  VaeCheck check(fixture, report);
  check.check_encoder();
  check.check_decoder();
}

}  // namespace scalekv::golden
