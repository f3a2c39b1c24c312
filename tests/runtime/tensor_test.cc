#include "runtime/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/grow_buffer.h"

namespace scalekv {
namespace {

TEST(Shape, ElementsAndOverflow) {
  EXPECT_EQ((Shape{2, 3, 4}).elements(), 24);
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ((Shape{5, 0}).elements(), 0);
  EXPECT_EQ((Shape{2, 16}).to_string(), "[2, 16]");
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  EXPECT_THROW(static_cast<void>((Shape{kHuge, kHuge}).elements()), Error);
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1}), Error);
  EXPECT_THROW((Shape{2, -1}), Error);
}

TEST(Tensor, IsAlignedAndInTheLedger) {
  const std::int64_t before = ledger().current(MemoryKind::other);
  {
    Tensor tensor(DType::f32, {3, 5}, MemoryKind::other);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.raw()) % 64, 0U);
    EXPECT_EQ(ledger().current(MemoryKind::other) - before, 60);
    Tensor moved = std::move(tensor);
    EXPECT_EQ(ledger().current(MemoryKind::other) - before, 60);
  }
  EXPECT_EQ(ledger().current(MemoryKind::other), before);
}

TEST(Tensor, ViewNamesBothTypesWhenTheyDiffer) {
  const Tensor tensor = Tensor::zeros<float>({2}, MemoryKind::other);
  try {
    static_cast<void>(tensor.view<std::uint8_t>());
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "expected a tensor of U8, got F32 of shape [2]");
  }
}

TEST(View, SlicesAndRowsShareMemory) {
  Tensor tensor(DType::f32, {4, 6}, MemoryKind::other);
  const View<float> all = tensor.view<float>();
  for (int i = 0; i < 24; ++i) all.data()[i] = static_cast<float>(i);
  const View<float> part = all.slice(0, 1, 3).slice(1, 2, 5);  // rows 1-2, columns 2-4
  EXPECT_EQ(part.shape(), (Shape{2, 3}));
  EXPECT_EQ(part(1, 0), 14.0F);
  EXPECT_FALSE(part.contiguous());
  EXPECT_EQ(all[3](5), 23.0F);
  part(0, 0) = -1.0F;
  EXPECT_EQ(all(1, 2), -1.0F);
  EXPECT_EQ(all.reshape({2, 12})(1, 0), 12.0F);
  EXPECT_THROW(static_cast<void>(part.reshape({6})), std::logic_error);
  EXPECT_THROW(static_cast<void>(all.slice(0, 2, 5)), std::logic_error);
}

TEST(DTypes, ConversionsRoundTrip) {
  for (const float value : {0.0F, 1.0F, -2.5F, 3.0e38F, 1.0e-40F}) {
    EXPECT_NEAR(to_float(to_bfloat16(value)), value, std::abs(value) / 128.0F + 1e-38F);
  }
  EXPECT_EQ(to_bfloat16(1.00390625F).bits, 0x3f80);  // halfway: to even
  EXPECT_EQ(to_bfloat16(1.01171875F).bits, 0x3f82);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_EQ(to_float(Float16{0x3c00}), 1.0F);
  EXPECT_EQ(to_float(Float16{0xc100}), -2.5F);
  EXPECT_EQ(to_float(Float16{0x0001}), std::ldexp(1.0F, -24));
  EXPECT_TRUE(std::isinf(to_float(Float16{0x7c00})));
  EXPECT_THROW(static_cast<void>(parse_dtype("F8")), Error);
}

TEST(GrowBuffer, KeepsContentsAndBooks) {
  const std::int64_t before = ledger().current(MemoryKind::kv);
  {
    GrowBuffer buffer(MemoryKind::kv);
    buffer.resize(100);
    buffer.data()[99] = std::byte{42};
    buffer.resize(5000000);
    EXPECT_EQ(buffer.data()[99], std::byte{42});
    EXPECT_EQ(ledger().current(MemoryKind::kv) - before, 5000000);
    buffer.resize(100);
    EXPECT_EQ(buffer.data()[99], std::byte{42});
    EXPECT_EQ(ledger().current(MemoryKind::kv) - before, 100);
    buffer.resize(0);
    EXPECT_EQ(ledger().current(MemoryKind::kv), before);
    buffer.resize(7);
  }
  EXPECT_EQ(ledger().current(MemoryKind::kv), before);
}

}  // namespace
}  // namespace scalekv
