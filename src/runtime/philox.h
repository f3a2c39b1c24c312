// Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC'11).
// A value depends on (seed, image, scale, position, bit) alone, so a picture does not depend on the thread count, the
// batch it was drawn in, or the order of drawing.
#pragma once

#include <array>
#include <cstdint>

namespace scalekv {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

// One block of four random words.
PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key);

// Where a random number is used; each field is one word of the counter.
struct RandomSite {
  std::uint32_t image = 0;
  std::uint32_t scale = 0;
  std::uint32_t position = 0;
  std::uint32_t bit = 0;
};

// A uniform number in [0, 1) with 24 random bits.
float uniform(std::uint64_t seed, RandomSite site);

// A standard normal number (Box-Muller on two words of the site's block); for random weights and tests.
float normal(std::uint64_t seed, RandomSite site);

}  // namespace scalekv
