// The memory of one pass through encoder or decoder.
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

// Rows of a band.
inline constexpr std::int64_t kBandRows = 8;

}  // namespace scalekv::vae
