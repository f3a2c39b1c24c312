#include "formats/finite.h"

#include <algorithm>
#include <cmath>

#include "base/strict_json.h"

namespace scalekv::formats {

bool is_floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f64;
}

void check_finite(View<const float> values, std::int64_t first, const TensorInfo& info) {
  const float* begin = values.data();
  const float* end = begin + values.elements();
  const float* found = std::find_if(begin, end, [](float value) { return !std::isfinite(value); });
  if (found == end) return;
  fail("{}: tensor {} holds {} at element {}; the file is damaged, or its training failed: download it again",
       info.file.string(), in_quotes(info.name), *found, first + (found - begin));
}

void check_finite(const TensorSource& source, const WorkProgress& progress) {
  constexpr std::int64_t kPiece = std::int64_t{1} << 22U;  // elements at a time
  double total = 1.0, done = 0.0;                          // bytes
  for (const TensorInfo& info : source.tensors()) total += static_cast<double>(info.bytes);
  for (const TensorInfo& info : source.tensors()) {
    progress(done / total, info.name);
    done += static_cast<double>(info.bytes);
    if (!is_floating(info.dtype)) continue;
    const Tensor tensor = source.load(info);
    for (std::int64_t at = 0; at < tensor.elements(); at += kPiece) {
      const Shape shape = {std::min(kPiece, tensor.elements() - at)};
      const Tensor floats = tensor.convert_to_float(MemoryKind::other, at, shape);
      check_finite(floats.view<float>(), at, info);
    }
    source.drop_pages();
  }
}

}  // namespace scalekv::formats
