#include "base/seed.h"

#include <limits>
#include <random>

#include "base/error.h"
#include "base/numbers.h"

namespace scalekv {
namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();

}  // namespace

std::optional<std::uint64_t> read_seed(std::string_view text, std::string_view what) {
  if (find_number<int>(text) == -1) return {};
  const auto seed = find_number<std::uint64_t>(text);
  if (!seed) {
    fail_usage("{}: '{}' is no seed; write a whole number from 0 to {}, or -1 for one by chance", what, text, kLargest);
  }
  return seed;
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint32_t>()(device);
}

void check_seeds(std::uint64_t first, std::size_t count) {
  if (count > 0 && first > kLargest - (count - 1)) {
    fail_usage(
        "the seed {} leaves fewer than the {} seeds that are needed, which follow it up to {}; choose a lower one",
        first, count, kLargest);
  }
}

}  // namespace scalekv
