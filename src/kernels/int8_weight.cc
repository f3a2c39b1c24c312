#include "kernels/int8_weight.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/simd_targets.h"
#include "runtime/threads.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/int8_weight.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/rotation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

void rotate_row(float* row, std::size_t count, std::size_t length) { rotate(row, count, length); }

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(rotate_row);

}  // namespace

std::int64_t longest_rotation(std::int64_t inputs) {
  std::int64_t length = 1;
  while (inputs % (8 * length) == 0) length *= 2;
  return length;
}

float quantise_weight_row(View<float> row, std::int64_t rotation, std::int8_t* codes) {
  const std::int64_t count = row.elements();
  float* values = row.data();
  if (rotation > 1) {
    SCALEKV_ASSERT(count % (4 * rotation) == 0);
    HWY_DYNAMIC_DISPATCH(rotate_row)(values, static_cast<std::size_t>(count), static_cast<std::size_t>(rotation));
  }
  float most = 0.0F;
  bool finite = true;
  for (std::int64_t k = 0; k < count; ++k) {
    most = std::max(most, std::abs(values[k]));
    finite = finite && std::isfinite(values[k]);
  }
  const float scale = finite ? most / 127.0F : std::numeric_limits<float>::quiet_NaN();
  // Rows of numbers so small that the scale has no inverse are rows of zeros.
  const float inverse = finite && most > 1e-30F ? 127.0F / most : 0.0F;
  for (std::int64_t k = 0; k < count; ++k) {
    codes[k] = inverse == 0.0F ? std::int8_t{0} : static_cast<std::int8_t>(std::nearbyint(values[k] * inverse));
  }
  return scale;
}

Int8Weight quantise_weight(const Tensor& weight, std::int64_t rotation, MemoryKind kind) {
  const std::int64_t outputs = weight.shape()[0], inputs = weight.shape()[1];
  Int8Weight quantised{.codes = Tensor(DType::i8, {outputs, inputs}, kind),
                       .scales = Tensor(DType::f32, {outputs}, kind),
                       .rotation = rotation};
  const View<std::int8_t> codes = quantised.codes.view<std::int8_t>();
  const View<float> scales = quantised.scales.view<float>();
  // A few rows at a time, so that no float copy of the matrix is made.
  constexpr std::int64_t kRows = 64;
  for (std::int64_t first = 0; first < outputs; first += kRows) {
    const std::int64_t count = std::min(kRows, outputs - first);
    Tensor rows = weight.convert_to_float(MemoryKind::other, first * inputs, {count, inputs});
    const View<float> values = rows.view<float>();
    parallel_for_static(count, [&](std::int64_t n) {
      scales(first + n) = quantise_weight_row(values[n], rotation, codes.at(first + n, 0));
    });
  }
  return quantised;
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
