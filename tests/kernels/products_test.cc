#include "kernels/products.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "kernels/linear.h"
#include "kernels/onednn_library.h"
#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

// Makes oneDNN, once it is open, print what it runs.
void set_verbose(int level) {
  set_onednn_threads(set_onednn_threads(1));  // opens it
  void* library = dlopen(kOnednnLibrary, RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr);
  reinterpret_cast<int (*)(int)>(dlsym(library, "dnnl_set_verbose"))(level);
}

// The implementations that oneDNN itself says it ran, one for each tile: the fourth field of its reports of matrix
// products.
template <typename Body>
std::vector<std::string> executed_products(const Body& body) {
  set_verbose(1);
  ::testing::internal::CaptureStdout();
  body();
  std::istringstream report(::testing::internal::GetCapturedStdout());
  set_verbose(0);
  std::vector<std::string> names;
  for (std::string line; std::getline(report, line);) {
    const std::size_t kind = line.find(",matmul,");
    if (line.find(",exec,") == std::string::npos || kind == std::string::npos) continue;
    const std::size_t begin = kind + std::string_view(",matmul,").size();
    names.push_back(line.substr(begin, line.find(',', begin) - begin));
  }
  return names;
}

// What `product_name` promises is what runs, for every number of rows and epilogue that the program uses; so
// that oneDNN's reference code, a thousand times slower, serves nothing. Shapes: Infinity-2B's, flan-t5-xl's and small
// ones. Where oneDNN serves no float32 layer (no AVX-512), it must run nothing.
TEST(ProductsTest, WhatIsPromisedIsWhatRuns) {
  for (const auto& [inputs, outputs] : {std::pair{2048, 2048}, {2048, 5120}, {2048, 64}, {32, 2048}, {96, 40}}) {
    SCOPED_TRACE(::testing::Message() << inputs << " x " << outputs);
    const Tensor weight = Tensor::zeros<float>({outputs, inputs}, MemoryKind::other);
    const std::string promised = product_name(WeightType::f32, inputs, outputs);
    for (const bool biased : {false, true}) {
      const Linear layer(weight, biased ? random_tensor({outputs}, 1) : Tensor(), MemoryKind::other);
      for (const std::int64_t rows : {1, 2, 7, 17, 64, 130}) {
        Ragged x(rows, inputs, 0, 1);
        Tensor y(DType::f32, {rows, outputs}, MemoryKind::other);
        const Tensor gate = random_tensor({1, outputs}, 2);
        for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
          for (int bits = 0; bits < 4; ++bits) {
            const LinearOptions options{.activation = activation,
                                        .accumulate = (bits & 1) != 0,
                                        .gate = (bits & 2) != 0 ? gate.view<float>() : View<const float>()};
            const auto names = executed_products([&] { layer.run(x.view(), y.view<float>(), options); });
            if (choose_product(WeightType::f32, inputs, outputs) == Product::onednn) {
              ASSERT_FALSE(names.empty());
              for (const std::string& name : names) ASSERT_EQ("oneDNN " + name, promised) << rows << " rows, " << bits;
            } else {
              ASSERT_TRUE(names.empty());
            }
          }
        }
      }
    }
  }
}

TEST(ProductsTest, RoundedWeightsNeverReachOnednn) {
  for (const WeightType type : {WeightType::bf16, WeightType::int8}) {
    const Linear layer(random_tensor({40, 96}, 1), Tensor(), MemoryKind::other, type);
    const Tensor x = random_tensor({3, 96}, 2);
    Tensor y(DType::f32, {3, 40}, MemoryKind::other);
    EXPECT_TRUE(executed_products([&] { layer.run(x.view<float>(), y.view<float>()); }).empty());
    EXPECT_TRUE(product_name(type, 96, 40).starts_with(weight_type_name(type)));
  }
}

}  // namespace
}  // namespace scalekv::kernels
