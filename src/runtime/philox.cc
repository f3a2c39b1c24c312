#include "runtime/philox.h"

#include <cmath>
#include <numbers>

namespace scalekv {
namespace {

PhiloxCounter block_at(std::uint64_t seed, RandomSite site) {
  const PhiloxKey key = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  return philox4x32({site.image, site.scale, site.position, site.bit}, key);
}

float unit_interval(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24F; }

}  // namespace

PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

float uniform(std::uint64_t seed, RandomSite site) { return unit_interval(block_at(seed, site)[0]); }

float normal(std::uint64_t seed, RandomSite site) {
  const PhiloxCounter block = block_at(seed, site);
  const float radius = std::sqrt(-2.0F * std::log(1.0F - unit_interval(block[0])));
  return radius * std::cos(2.0F * std::numbers::pi_v<float> * unit_interval(block[1]));
}

}  // namespace scalekv
