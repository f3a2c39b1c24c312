#include "vae/maps.h"

#include <algorithm>

#include "kernels/conv.h"

namespace scalekv::vae {
namespace {

constexpr std::int64_t kFloatBytes = 4;

void grow(std::int64_t& bytes, std::int64_t needed) { bytes = std::max(bytes, needed); }

}  // namespace

View<float> Maps::place(std::size_t buffer, const Shape& shape) {
  GrowBuffer& memory = buffers_[buffer];
  const std::int64_t needed = shape.elements() * kFloatBytes;
  if (memory.size() < needed) memory.resize(needed);
  return {reinterpret_cast<float*>(memory.data()), shape};
}

View<float> Maps::spare(std::int64_t height, std::int64_t width, std::int64_t channels) {
  spare_ = place(1 - active_, {height, width, channels});
  return spare_;
}

void Maps::advance() {
  active_ = 1 - active_;
  current_ = spare_;
}

View<float> Maps::recast(std::int64_t channels) {
  current_ = place(active_, {current_.size(0), current_.size(1), channels});
  return current_;
}

void PassBytes::add_conv(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel, std::int64_t stride) {
  grow(scratch_, kernels::Conv2d::scratch_bytes(inputs, outputs, kernel, stride));
}

void PassBytes::convolve(std::int64_t inputs, std::int64_t outputs, bool doubled, std::int64_t stride) {
  height_ = (doubled ? 2 : 1) * height_ / stride;
  width_ = (doubled ? 2 : 1) * width_ / stride;
  active_ = 1 - active_;
  grow(buffers_[active_], height_ * width_ * outputs * kFloatBytes);
  add_conv(inputs, outputs, 3, stride);
}

void PassBytes::block(std::int64_t inputs, std::int64_t outputs) {
  grow(buffers_[1 - active_], height_ * width_ * outputs * kFloatBytes);
  add_conv(inputs, outputs, 3, 1);
  add_conv(outputs, outputs, 3, 1);
  if (inputs == outputs) return;
  grow(buffers_[active_], height_ * width_ * outputs * kFloatBytes);
  grow(band_, std::min(kBandRows, height_) * width_ * outputs * kFloatBytes);
  add_conv(inputs, outputs, 1, 1);
}

void PassBytes::finish(std::int64_t inputs, std::int64_t outputs) {
  result_ = height_ * width_ * outputs * kFloatBytes;
  add_conv(inputs, outputs, 3, 1);
}

}  // namespace scalekv::vae
