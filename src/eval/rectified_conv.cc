#include "eval/rectified_conv.h"

#include <algorithm>

#include "core/grow_buffer.h"

namespace scalekv::eval {

Tensor RectifiedConv::run(View<const float> x) const {
  Tensor y(DType::f32, {conv_.output_height(x.size(0)), conv_.output_width(x.size(1)), conv_.output_channels()},
           MemoryKind::activations);
  GrowBuffer scratch(MemoryKind::activations);
  conv_.run({x}, y.view<float>(), scratch);
  float* values = y.view<float>().data();
  for (std::int64_t i = 0; i < y.elements(); ++i) values[i] = std::max(values[i], 0.0F);
  return y;
}

}  // namespace scalekv::eval
