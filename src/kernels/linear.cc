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

class PanelLinear final : public LinearImpl {
 public:
  PanelLinear(const Tensor& weight, MemoryKind kind) : panels_(pack_panels(weight, kind)) {}
  std::int64_t weight_bytes() const override { return panels_.bytes(); }
  void run(View<const float> x, View<float> y, const Epilogue& epilogue) const override {
    row_matmul(x, panels_, epilogue, y);
  }

 private:
  Tensor panels_;
};

class BFloat16Linear final : public LinearImpl {
 public:
  explicit BFloat16Linear(Tensor weight) : weight_(std::move(weight)) {}
  std::int64_t weight_bytes() const override { return weight_.bytes(); }
  void run(View<const float> x, View<float> y, const Epilogue& epilogue) const override {
    bfloat16_matmul(x, weight_.view<const BFloat16>(), epilogue, y);
  }

 private:
  Tensor weight_;  // [N, K]
};

class Int8Linear final : public LinearImpl {
 public:
  explicit Int8Linear(Int8Weight weight) : weight_(std::move(weight)) {}
  std::int64_t weight_bytes() const override { return weight_.codes.bytes() + weight_.scales.bytes(); }
  void run(View<const float> x, View<float> y, const Epilogue& epilogue) const override {
    int8_matmul(x, weight_, epilogue, y);
  }

 private:
  Int8Weight weight_;
};

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

std::unique_ptr<LinearImpl> make_impl(const Tensor& weight, MemoryKind kind, WeightType type, bool outliers) {
  switch (choose_product(type, weight.shape()[1], weight.shape()[0])) {
    case Product::onednn:
      return make_onednn_linear(weight.convert_to_float(MemoryKind::other), kind);
    case Product::panels:
      return std::make_unique<PanelLinear>(weight, kind);
    case Product::bf16:
      return std::make_unique<BFloat16Linear>(weight.convert_to_bfloat16(kind));
    case Product::int8:
      break;
  }
  const std::int64_t rotation = outliers ? longest_rotation(weight.shape()[1]) : 1;
  return std::make_unique<Int8Linear>(quantise_weight(weight, rotation, kind));
}

}  // namespace

struct Linear::Impl {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  std::unique_ptr<LinearImpl> product;
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
    impl->product = std::make_unique<BFloat16Linear>(weight.share());
  } else {
    impl->product = make_impl(weight, kind, type, outliers);
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
  impl->product = std::make_unique<Int8Linear>(std::move(weight));
  impl_ = impl;
}

std::int64_t Linear::predict_bytes(std::int64_t inputs, std::int64_t outputs, bool biased, WeightType type) {
  const std::int64_t bias = biased ? outputs * std::int64_t{sizeof(float)} : 0;
  switch (choose_product(type, inputs, outputs)) {
    case Product::onednn:
      return bias + onednn_linear_bytes(inputs, outputs);
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

std::int64_t Linear::inputs() const { return impl_->inputs; }
std::int64_t Linear::outputs() const { return impl_->outputs; }
std::int64_t Linear::weight_bytes() const {
  return impl_->product->weight_bytes() + (impl_->bias.empty() ? 0 : impl_->bias.bytes());
}

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
  impl.product->run(x, y,
                    {.bias = impl.bias.empty() ? nullptr : impl.bias.view<float>().data(),
                     .activation = options.activation,
                     .accumulate = options.accumulate,
                     .gate = gate});
}

}  // namespace scalekv::kernels
