// The memory of one pass through encoder or decoder, and its prediction.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/grow_buffer.h"
#include "runtime/tensor.h"

namespace scalekv::vae {

// Maps are [H, W, C]. The current one lies in one of two buffers; a layer that does not work in place writes into the
// other. Everything is in the ledger under `vae`.
class Maps {
 public:
  View<float> current() const { return current_; }
  // Room for a map in the buffer that the current one is not in.
  View<float> spare(std::int64_t height, std::int64_t width, std::int64_t channels);
  // What was written into the last spare() becomes the current map.
  void advance();
  // The current map's memory, kept as it is, seen with another number of channels.
  View<float> recast(std::int64_t channels);

  // What layers work in: a convolution, and a band of rows on its way back into the map.
  GrowBuffer& scratch() { return scratch_; }
  GrowBuffer& band() { return band_; }

 private:
  View<float> place(std::size_t buffer, const Shape& shape);

  std::array<GrowBuffer, 2> buffers_{GrowBuffer(MemoryKind::vae), GrowBuffer(MemoryKind::vae)};
  GrowBuffer scratch_{MemoryKind::vae}, band_{MemoryKind::vae};
  std::size_t active_ = 0;
  View<float> current_, spare_;
};

// The bytes of a pass; told of the layers in their order.
class PassBytes {
 public:
  PassBytes(std::int64_t height, std::int64_t width) : height_(height), width_(width) {}

  // A 3x3 convolution into the other buffer, from a map that is doubled first or shrunk by `stride`.
  void convolve(std::int64_t inputs, std::int64_t outputs, bool doubled = false, std::int64_t stride = 1);
  void block(std::int64_t inputs, std::int64_t outputs);
  // The last norm and convolution, into a tensor of its own.
  void finish(std::int64_t inputs, std::int64_t outputs);

  std::int64_t memory() const { return buffers_[0] + buffers_[1] + scratch_ + band_ + result_; }

 private:
  void add_conv(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel, std::int64_t stride);

  std::int64_t height_, width_;
  std::size_t active_ = 0;
  std::array<std::int64_t, 2> buffers_{};
  std::int64_t scratch_ = 0, band_ = 0, result_ = 0;
};

// Rows of a band.
inline constexpr std::int64_t kBandRows = 8;

}  // namespace scalekv::vae
