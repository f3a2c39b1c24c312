#include <algorithm>

#include "base/error.h"
#include "golden/checks.h"
#include "golden/maps.h"
#include "infinity/latent.h"
#include "kernels/resample.h"
#include "vae/quantizer.h"

namespace scalekv::golden {
namespace {

// One scale as large as the map: the plain quantiser.
void check_signs(const Fixture& fixture, const std::string& prefix, Report& report, MapCollector& maps) {
  report.input(prefix + "lfq_in");
  std::vector<vae::Quantized> all;
  std::vector<const Tensor*> bits;
  for (const Tensor& map : channels_last(fixture.numbers(prefix + "lfq_in"))) {
    const MapSize size{map.shape()[0], map.shape()[1]};
    all.push_back(vae::quantize(map.view<float>(), {&size, 1}));
    maps.add(prefix + "lfq_quantized", static_cast<std::int64_t>(all.size()) - 1, all.back().sum.view<float>());
  }
  for (const vae::Quantized& quantized : all) bits.push_back(&quantized.bits[0]);
  if (fixture.has(prefix + "lfq_bits")) {
    const std::string name = prefix + "lfq_bits";
    report.exact(name, fixture.integers(name).values, join_bits(bits));
    if (!fixture.has(prefix + "codes")) return;
    const std::vector<Tensor> stored = split_bits(fixture.integers(name));
    for (std::size_t i = 0; i < stored.size(); ++i) {
      Tensor codes(DType::f32, stored[i].shape(), MemoryKind::other);
      vae::bits_to_codes(stored[i].view<std::uint8_t>(), codes.view<float>());
      maps.add(prefix + "codes", static_cast<std::int64_t>(i), codes.view<float>());
    }
  }
}

// Many scales; their sizes are those of the stored bits.
void check_scales(const Fixture& fixture, const std::string& prefix, Report& report, MapCollector& maps) {
  report.input(prefix + "ms_in");
  std::vector<MapSize> scales;
  const auto bits_name = [&](std::size_t scale) { return fmt::format("{}ms_bits.{}", prefix, scale); };
  while (fixture.has(bits_name(scales.size()))) {
    const Shape& shape = fixture.shape(bits_name(scales.size()));
    scales.push_back({shape[shape.rank() - 3], shape[shape.rank() - 2]});
  }
  std::vector<vae::Quantized> all;
  for (const Tensor& map : channels_last(fixture.numbers(prefix + "ms_in"))) {
    const auto image = static_cast<std::int64_t>(all.size());
    all.push_back(vae::quantize(map.view<float>(), scales));
    maps.add(prefix + "ms_out", image, all.back().sum.view<float>());
    Tensor sum = Tensor::zeros<float>(map.shape(), MemoryKind::other);
    for (std::size_t scale = 0; scale < scales.size(); ++scale) {
      Tensor seen(DType::f32, {scales[scale].height, scales[scale].width, map.shape()[2]}, MemoryKind::other);
      kernels::resample_area(sum.view<float>(), seen.view<float>());
      maps.add(fmt::format("{}ms_var_in.{}", prefix, scale), image, seen.view<float>());
      infinity::add_bits(all.back().bits[scale].view<std::uint8_t>(), sum.view<float>());
    }
  }
  for (std::size_t scale = 0; scale < scales.size(); ++scale) {
    std::vector<const Tensor*> bits;
    for (const vae::Quantized& quantized : all) bits.push_back(&quantized.bits[scale]);
    report.exact(bits_name(scale), fixture.integers(bits_name(scale)).values, join_bits(bits));
  }
}

void check_patches(const Fixture& fixture, Report& report, MapCollector& maps) {
  if (fixture.has("unshuffle.in")) {
    report.input("unshuffle.in");
    const std::vector<Tensor> inputs = channels_last(fixture.numbers("unshuffle.in"));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Shape& shape = inputs[i].shape();
      Tensor out(DType::f32, {shape[0] / 2, shape[1] / 2, shape[2] * 4}, MemoryKind::other);
      kernels::pixel_unshuffle_2x(inputs[i].view<float>(), out.view<float>());
      maps.add("unshuffle.out", static_cast<std::int64_t>(i), out.view<float>());
    }
  }
  if (fixture.has("unpatch_bits.in")) {
    report.input("unpatch_bits.in");
    model::InfinityConfig config;
    config.patchify = true;
    std::vector<Tensor> latents;
    for (const Tensor& bits : split_bits(fixture.integers("unpatch_bits.in"))) {
      const Shape& shape = bits.shape();
      config.bits = shape[2];
      latents.push_back(infinity::token_bits_to_latent(
          config, bits.view<std::uint8_t>().reshape({shape[0] * shape[1], shape[2]}), {shape[0], shape[1]}));
    }
    std::vector<const Tensor*> out;
    for (const Tensor& latent : latents) out.push_back(&latent);
    report.exact("unpatch_bits.out", fixture.integers("unpatch_bits.out").values, join_bits(out));
  }
}

}  // namespace

void check_quantizer(const Fixture& fixture, Report& report) {
  MapCollector maps(fixture, report);
  for (const std::string& name : fixture.names()) {
    const std::string prefix = name.substr(0, name.find('.') + 1);
    if (name == prefix + "lfq_in") check_signs(fixture, prefix, report, maps);
    if (name == prefix + "ms_in") check_scales(fixture, prefix, report, maps);
    if (name == prefix + "mask" && name.starts_with("d")) {
      report.skip(name, "powers of two that make an index of bits; the engine keeps bits");
    }
  }
  check_patches(fixture, report, maps);
  maps.finish();
}

}  // namespace scalekv::golden
