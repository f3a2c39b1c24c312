#include "vae/maps.h"

namespace scalekv::vae {

View<float> Maps::place(std::size_t buffer, const Shape& shape) {
  GrowBuffer& memory = buffers_[buffer];
  const std::int64_t needed = shape.elements() * std::int64_t{sizeof(float)};
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

}  // namespace scalekv::vae
