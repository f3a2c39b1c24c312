#include <algorithm>
#include <optional>

#include "base/error.h"
#include "golden/checks.h"
#include "golden/maps.h"
#include "kernels/conv.h"
#include "kernels/resample.h"

namespace scalekv::golden {
namespace {

// A convolution that changes nothing: doubling is what convolutions do as they read.
kernels::Conv2d identity(std::int64_t channels) {
  Tensor weight = Tensor::zeros<float>({channels, channels, 1, 1}, MemoryKind::other);
  for (std::int64_t c = 0; c < channels; ++c) weight.view<float>()(c, c, 0, 0) = 1.0F;
  return {weight, Tensor(), {.pad_top = 0, .pad_left = 0, .pad_bottom = 0, .pad_right = 0}, MemoryKind::other};
}

// "a.trilinear.5x4" -> "a", "trilinear", 5, 4.
struct Resampling {
  std::string input, mode;
  MapSize size;
};

std::optional<Resampling> parse(const std::string& name) {
  const std::size_t first = name.find('.');
  const std::size_t second = name.find('.', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  Resampling found{name.substr(0, first) + ".in", name.substr(first + 1, second - first - 1), {}};
  if (found.mode != "trilinear" && found.mode != "area") return std::nullopt;
  const std::string size = name.substr(second + 1);
  found.size = {std::stoll(size), std::stoll(size.substr(size.find('x') + 1))};
  return found;
}

}  // namespace

void check_resampling(const Fixture& fixture, Report& report) {
  MapCollector maps(fixture, report);
  for (const std::string& name : fixture.names()) {
    const std::optional<Resampling> wanted = parse(name);
    if (!wanted || !fixture.has(wanted->input)) continue;
    report.input(wanted->input);
    const std::vector<Tensor> inputs = channels_last(fixture.numbers(wanted->input));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Tensor out(DType::f32, {wanted->size.height, wanted->size.width, inputs[i].shape()[2]}, MemoryKind::other);
      (wanted->mode == "area" ? kernels::resample_area(inputs[i].view<float>(), out.view<float>())
                              : kernels::resample_linear(inputs[i].view<float>(), out.view<float>()));
      maps.add(name, static_cast<std::int64_t>(i), out.view<float>());
    }
  }
  if (fixture.has("nearest2.in")) {
    report.input("nearest2.in");
    const std::vector<Tensor> inputs = channels_last(fixture.numbers("nearest2.in"));
    GrowBuffer scratch(MemoryKind::other);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Shape& shape = inputs[i].shape();
      Tensor out(DType::f32, {2 * shape[0], 2 * shape[1], shape[2]}, MemoryKind::other);
      identity(shape[2]).run({.map = inputs[i].view<float>(), .doubled = true}, out.view<float>(), scratch);
      maps.add("nearest2.out", static_cast<std::int64_t>(i), out.view<float>());
    }
  }
  maps.finish();
}

}  // namespace scalekv::golden
