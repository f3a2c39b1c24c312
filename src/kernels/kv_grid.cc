#include "kernels/kv_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/stored_rows.h"

namespace scalekv::kernels {
namespace {

constexpr int kLastCode = 255;
// Offsets of keys count in units of so many steps, so that a byte reaches far enough.
constexpr int kOffsetUnit = 16;
constexpr int kLeastOffset = -128, kMostOffset = 127;
constexpr int kValueOrigin = -128;
constexpr int kMostValue = 127;  // steps
// Exponents of a channel that holds nothing yet, and of one that holds something that is no number of ordinary size.
constexpr int kEmpty = -128;
constexpr int kNotFinite = 127;
constexpr int kLeastExponent = -100;
constexpr double kLargest = 1e30;

// An exponent from which to search upwards: a step of this is not larger than x / parts.
int first_exponent(double x, double parts) {
  return x > 0.0 ? std::max(std::ilogb(x / parts), kLeastExponent) : kLeastExponent;
}

bool covers_keys(int exponent, int origin, float low, float high) {
  if (exponent == kNotFinite) return true;
  return exponent != kEmpty && std::ldexp(static_cast<double>(origin), exponent) <= low &&
         high <= std::ldexp(static_cast<double>(origin + kLastCode), exponent);
}

bool covers_values(int exponent, float size) {
  return exponent == kNotFinite ||
         (exponent != kEmpty && size <= std::ldexp(static_cast<double>(kMostValue), exponent));
}

struct KeyGrid {
  int exponent = kNotFinite;
  int offset = 0;
};

// The finest grid for keys in [low, high].
KeyGrid fit_keys(double low, double high) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (!(size < kLargest)) return {};
  int exponent = std::max(first_exponent(high - low, kLastCode), first_exponent(size, 200.0 * kOffsetUnit));
  for (;; ++exponent) {
    const double offset = std::floor(std::ldexp(low, -exponent) / kOffsetUnit);
    if (offset < kLeastOffset || offset > kMostOffset) continue;
    const int origin = kOffsetUnit * static_cast<int>(offset);
    if (high <= std::ldexp(static_cast<double>(origin + kLastCode), exponent)) {
      return {exponent, static_cast<int>(offset)};
    }
  }
}

// The exponent of the finest grid for values of up to this size.
int fit_values(double size) {
  if (!(size < kLargest)) return kNotFinite;
  int exponent = first_exponent(size, kMostValue);
  while (std::ldexp(static_cast<double>(kMostValue), exponent) < size) ++exponent;
  return exponent;
}

}  // namespace

KeyValueRange::KeyValueRange(std::int64_t head_size)
    : key_low(static_cast<std::size_t>(head_size), std::numeric_limits<float>::infinity()),
      key_high(static_cast<std::size_t>(head_size), -std::numeric_limits<float>::infinity()),
      value_size(static_cast<std::size_t>(head_size), 0.0F) {}

void KeyValueRange::add(View<const float> keys, View<const float> values) {
  const auto size = static_cast<std::int64_t>(value_size.size());
  std::vector<float> key_fault(value_size.size(), 0.0F);  // NaN where a number is not finite
  std::vector<float> value_fault(value_size.size(), 0.0F);
  for (std::int64_t r = 0; r < keys.size(0); ++r) {
    const float* key = keys.at(r, 0);
    const float* value = values.at(r, 0);
    float* low = key_low.data();
    float* high = key_high.data();
    float* largest = value_size.data();
    float* key_bad = key_fault.data();
    float* value_bad = value_fault.data();
#pragma omp simd
    for (std::int64_t c = 0; c < size; ++c) {
      low[c] = key[c] < low[c] ? key[c] : low[c];
      high[c] = key[c] > high[c] ? key[c] : high[c];
      key_bad[c] += key[c] * 0.0F;
      const float absolute = std::fabs(value[c]);
      largest[c] = absolute > largest[c] ? absolute : largest[c];
      value_bad[c] += value[c] * 0.0F;
    }
  }
  for (std::size_t c = 0; c < value_size.size(); ++c) {
    if (std::isnan(key_fault[c])) key_high[c] = std::numeric_limits<float>::infinity();
    if (std::isnan(value_fault[c])) value_size[c] = std::numeric_limits<float>::infinity();
  }
}

float ChannelGrid::step() const {
  if (exponent == kNotFinite) return std::numeric_limits<float>::quiet_NaN();
  return exponent == kEmpty ? 0.0F : std::ldexp(1.0F, exponent);
}

float ChannelGrid::inverse_step() const {
  return exponent == kNotFinite || exponent == kEmpty ? 0.0F : std::ldexp(1.0F, -exponent);
}

std::vector<ChannelGrid> key_grid(const std::int8_t* grid, std::int64_t head_size) {
  std::vector<ChannelGrid> channels;
  for (std::int64_t c = 0; c < head_size; ++c) channels.push_back({grid[c], kOffsetUnit * grid[head_size + c]});
  return channels;
}

std::vector<ChannelGrid> value_grid(const std::int8_t* grid, std::int64_t head_size) {
  std::vector<ChannelGrid> channels;
  for (std::int64_t c = 0; c < head_size; ++c) channels.push_back({grid[2 * head_size + c], kValueOrigin});
  return channels;
}

namespace {

void expand(const std::vector<ChannelGrid>& channels, GridFloats out) {
  for (std::size_t c = 0; c < channels.size(); ++c) {
    out.steps[c] = channels[c].step();
    out.bases[c] = static_cast<float>(channels[c].origin) * out.steps[c];
  }
}

}  // namespace

void expand_key_grid(const std::int8_t* grid, std::int64_t head_size, GridFloats out) {
  expand(key_grid(grid, head_size), out);
}

void expand_value_grid(const std::int8_t* grid, std::int64_t head_size, GridFloats out) {
  expand(value_grid(grid, head_size), out);
}

void clear_grid(std::int8_t* grid, std::int64_t head_size) {
  std::fill_n(grid, head_size, static_cast<std::int8_t>(kEmpty));
  std::fill_n(grid + head_size, head_size, std::int8_t{0});
  std::fill_n(grid + 2 * head_size, head_size, static_cast<std::int8_t>(kEmpty));
}

bool covers(const std::int8_t* grid, const KeyValueRange& range) {
  const std::size_t size = range.value_size.size();
  for (std::size_t c = 0; c < size; ++c) {
    if (!covers_keys(grid[c], kOffsetUnit * grid[size + c], range.key_low[c], range.key_high[c])) return false;
    if (!covers_values(grid[2 * size + c], range.value_size[c])) return false;
  }
  return true;
}

void fit_grid(const KeyValueRange& range, std::int8_t* grid) {
  const std::size_t size = range.value_size.size();
  for (std::size_t c = 0; c < size; ++c) {
    if (!covers_keys(grid[c], kOffsetUnit * grid[size + c], range.key_low[c], range.key_high[c])) {
      const KeyGrid fitted = fit_keys(range.key_low[c], range.key_high[c]);
      grid[c] = static_cast<std::int8_t>(fitted.exponent);
      grid[size + c] = static_cast<std::int8_t>(fitted.offset);
    }
    if (!covers_values(grid[2 * size + c], range.value_size[c])) {
      grid[2 * size + c] = static_cast<std::int8_t>(fit_values(range.value_size[c]));
    }
  }
}

}  // namespace scalekv::kernels
