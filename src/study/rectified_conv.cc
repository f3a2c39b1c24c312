#include "study/rectified_conv.h"

#include <algorithm>

#include "runtime/grow_buffer.h"

namespace scalekv::study {
namespace {

// [O, I, h, w] -> [O, h w I], the order in which cells are gathered.
Tensor channels_last(const Tensor& weight) {
  const Shape& shape = weight.shape();
  const std::int64_t in = shape[1], taps = shape[2] * shape[3];
  Tensor rows(DType::f32, {shape[0], taps * in}, MemoryKind::other);
  const View<const float> source = weight.view<float>();
  for (std::int64_t o = 0; o < shape[0]; ++o) {
    for (std::int64_t i = 0; i < in; ++i) {
      for (std::int64_t tap = 0; tap < taps; ++tap)
        rows.view<float>()(o, tap * in + i) = source(o, i, tap / shape[3], tap % shape[3]);
    }
  }
  return rows;
}

}  // namespace

RectifiedConv::RectifiedConv(const Tensor& weight, const Tensor& bias, const kernels::ConvGeometry& geometry)
    : height_(weight.shape()[2]), width_(weight.shape()[3]), geometry_(geometry) {
  if (height_ == width_ && (height_ > 1 || geometry.stride > 1)) {
    square_ = kernels::Conv2d(weight, bias, geometry, MemoryKind::weights);
  } else {
    SCALEKV_ASSERT(geometry.stride == 1);
    product_ = kernels::Linear(channels_last(weight), bias, MemoryKind::weights);
  }
}

Tensor RectifiedConv::gather(View<const float> x, std::int64_t height, std::int64_t width) const {
  const std::int64_t channels = x.size(2);
  Tensor cells = Tensor::zeros<float>({height * width, height_ * width_ * channels}, MemoryKind::activations);
  for (std::int64_t place = 0; place < height * width; ++place) {
    float* target = cells.view<float>().at(place, 0);
    for (std::int64_t tap = 0; tap < height_ * width_; ++tap, target += channels) {
      const std::int64_t row = place / width + tap / width_ - geometry_.pad_top;
      const std::int64_t column = place % width + tap % width_ - geometry_.pad_left;
      const bool inside = row >= 0 && row < x.size(0) && column >= 0 && column < x.size(1);
      if (inside) std::copy_n(x.at(row, column, 0), channels, target);
    }
  }
  return cells;
}

Tensor RectifiedConv::run(View<const float> x) const {
  Tensor y;
  if (product_.empty()) {
    y = Tensor(DType::f32,
               {square_.output_height(x.size(0)), square_.output_width(x.size(1)), square_.output_channels()},
               MemoryKind::activations);
    GrowBuffer scratch(MemoryKind::activations);
    square_.run({x}, y.view<float>(), scratch);
  } else {
    const std::int64_t height = x.size(0) + geometry_.pad_top + geometry_.pad_bottom - height_ + 1;
    const std::int64_t width = x.size(1) + geometry_.pad_left + geometry_.pad_right - width_ + 1;
    y = Tensor(DType::f32, {height, width, product_.outputs()}, MemoryKind::activations);
    const Tensor gathered = height_ * width_ > 1 ? gather(x, height, width) : Tensor();
    const View<const float> cells = gathered.empty() ? x.reshape({height * width, x.size(2)}) : gathered.view<float>();
    product_.run(cells, y.view<float>().reshape({height * width, product_.outputs()}));
  }
  float* values = y.view<float>().data();
  const std::int64_t count = y.elements();
  for (std::int64_t i = 0; i < count; ++i) values[i] = std::max(values[i], 0.0F);
  return y;
}

}  // namespace scalekv::study
