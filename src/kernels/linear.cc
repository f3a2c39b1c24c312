#include "kernels/linear.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "kernels/int8_matmul.h"
#include "kernels/linear_impl.h"
#include "kernels/products.h"
#include "kernels/row_matmul.h"

namespace scalekv::kernels {
namespace {

// Products hold their weights together: a function may be copied, a tensor may not.
template <typename Weight>
std::shared_ptr<const Weight> held(Weight weight) {
  return std::make_shared<const Weight>(std::move(weight));
}

LinearProduct make_panel_product(const Tensor& weight, MemoryKind kind) {
  return [panels = held(pack_panels(weight, kind))](View<const float> x, View<float> y, const Epilogue& epilogue) {
    row_matmul(x, *panels, epilogue, y);
  };
}

// weight: [N, K]
LinearProduct make_bfloat16_product(Tensor weight) {
  return [rows = held(std::move(weight))](View<const float> x, View<float> y, const Epilogue& epilogue) {
    bfloat16_matmul(x, rows->view<BFloat16>(), epilogue, y);
  };
}

LinearProduct make_int8_product(Int8Weight weight) {
  return [codes = held(std::move(weight))](View<const float> x, View<float> y, const Epilogue& epilogue) {
    int8_matmul(x, *codes, epilogue, y);
  };
}

// Writes mapped bytes in the ledger for as long as it lives.
class Entry {
 public:
  Entry(MemoryKind kind, std::int64_t bytes) : ledger_(Runtime::current().ledger()), kind_(kind), bytes_(bytes) {
    ledger_->add(kind, bytes);
  }
  ~Entry() { ledger_->remove(kind_, bytes_); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

 private:
  std::shared_ptr<Ledger> ledger_;
  MemoryKind kind_;
  std::int64_t bytes_;
};

LinearProduct make_product(const Tensor& weight, MemoryKind kind, WeightType type, bool outliers) {
  switch (choose_product(type, weight.shape()[1], weight.shape()[0])) {
    case Product::onednn:
      return make_onednn_product(weight.convert_to_float(MemoryKind::other), kind);
    case Product::panels:
      return make_panel_product(weight, kind);
    case Product::bf16:
      return make_bfloat16_product(weight.convert_to_bfloat16(kind));
    case Product::int8:
      break;
  }
  const std::int64_t rotation = outliers ? longest_rotation(weight.shape()[1]) : 1;
  return make_int8_product(quantise_weight(weight, rotation, kind));
}

}  // namespace

struct Linear::Impl {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  LinearProduct product;
  Tensor bias;                    // [N], or empty
  std::optional<Entry> borrowed;  // of a weight that lies in a file
};

std::shared_ptr<Linear::Impl> Linear::make(const Shape& weight, const Tensor& bias, MemoryKind kind) {
  if (weight.rank() != 2) {
    fail("a linear layer's weight has shape {}, expected [outputs, inputs]", weight.to_string());
  }
  auto impl = std::make_shared<Impl>();
  impl->outputs = weight[0];
  impl->inputs = weight[1];
  if (!bias.empty()) {
    if (bias.elements() != impl->outputs) fail("a bias of {} elements for {} outputs", bias.elements(), impl->outputs);
    impl->bias = bias.convert_to_float(kind);
  }
  return impl;
}

Linear::Linear(const Tensor& weight, const Tensor& bias, MemoryKind kind, WeightType type, bool outliers) {
  const std::shared_ptr<Impl> impl = make(weight.shape(), bias, kind);
  if (type == WeightType::bf16 && weight.dtype() == DType::bf16 && weight.borrowed()) {
    impl->borrowed.emplace(kind, weight.bytes());
    impl->product = make_bfloat16_product(weight.share());
  } else {
    impl->product = make_product(weight, kind, type, outliers);
  }
  impl_ = impl;
}

Linear::Linear(Int8Weight weight, const Tensor& bias, MemoryKind kind) {
  const std::shared_ptr<Impl> impl = make(weight.codes.shape(), bias, kind);
  if (weight.scales.elements() != impl->outputs || (weight.rotation > 1 && impl->inputs % (4 * weight.rotation) != 0)) {
    fail("{} scales and a rotation of {} for a weight of {}", weight.scales.elements(), weight.rotation,
         weight.codes.shape().to_string());
  }
  if (weight.codes.borrowed()) impl->borrowed.emplace(kind, weight.codes.bytes());
  impl->product = make_int8_product(std::move(weight));
  impl_ = impl;
}

std::int64_t Linear::predict_bytes(std::int64_t inputs, std::int64_t outputs, bool biased, WeightType type) {
  const std::int64_t bias = biased ? outputs * std::int64_t{sizeof(float)} : 0;
  switch (choose_product(type, inputs, outputs)) {
    case Product::onednn:
      return bias + onednn_weight_bytes(inputs, outputs);
    case Product::panels:
      return bias + panel_bytes(inputs, outputs);
    case Product::bf16:
      return bias + outputs * inputs * std::int64_t{sizeof(BFloat16)};
    case Product::int8:
      break;
  }
  return bias + outputs * (inputs + std::int64_t{sizeof(float)});
}

std::int64_t Linear::predict_input_bytes(std::int64_t rows, std::int64_t inputs, WeightType type) {
  return type == WeightType::int8 ? rounded_input_bytes(rows, inputs) : 0;
}

std::int64_t Linear::outputs() const { return impl_->outputs; }

void Linear::run(View<const float> x, View<float> y, const LinearOptions& options) const {
  const Impl& impl = *impl_;
  const std::int64_t rows = x.size(0);
  if (x.rank() != 2 || y.rank() != 2 || x.size(1) != impl.inputs || y.size(1) != impl.outputs || rows != y.size(0)) {
    fail("a linear layer of {} inputs and {} outputs was given {} and {}", impl.inputs, impl.outputs,
         x.shape().to_string(), y.shape().to_string());
  }
  if (rows > 1 && (x.stride(0) != impl.inputs || y.stride(0) != impl.outputs)) {
    fail("a linear layer's rows lie one after the other; it was given rows of {} that are {} apart, and of {} {} apart",
         impl.inputs, x.stride(0), impl.outputs, y.stride(0));
  }
  const View<const float>& gate = options.gate;
  if (!gate.empty() && (gate.rank() != 2 || gate.size(1) != impl.outputs || rows % gate.size(0) != 0)) {
    fail("a gate of {} for a product of {}", gate.shape().to_string(), y.shape().to_string());
  }
  if (rows == 0) return;
  impl.product(x, y,
               {.bias = impl.bias.empty() ? nullptr : impl.bias.view<float>().data(),
                .activation = options.activation,
                .accumulate = options.accumulate,
                .gate = gate});
}

}  // namespace scalekv::kernels
