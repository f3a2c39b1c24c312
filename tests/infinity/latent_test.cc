#include "infinity/latent.h"

#include <gtest/gtest.h>

#include <vector>

namespace scalekv::infinity {
namespace {

// Bit 4c + 2i + j of a token is bit c of the cell in row i, column j of the token's four: here every bit is told by
// hand where it goes. Two tokens, codes of three bits.
TEST(Latent, BitsOfPatchesGoToTheirCells) {
  const model::InfinityConfig config{.bits = 12, .patchify = true};
  ASSERT_EQ(codebook(config), 3);
  const MapSize map{1, 2};
  ASSERT_EQ(latent_size(config, map), (MapSize{2, 4}));
  struct Place {
    std::int64_t bit, row, column, channel;
  };
  const Place places[] = {{0, 0, 0, 0}, {1, 0, 1, 0}, {2, 1, 0, 0}, {3, 1, 1, 0}, {4, 0, 0, 1},  {5, 0, 1, 1},
                          {6, 1, 0, 1}, {7, 1, 1, 1}, {8, 0, 0, 2}, {9, 0, 1, 2}, {10, 1, 0, 2}, {11, 1, 1, 2}};
  for (const std::int64_t token : {0, 1}) {
    for (const auto& [bit, row, column, channel] : places) {
      Tensor bits(DType::u8, {2, 12}, MemoryKind::other);
      bits.fill_zero();
      bits.view<std::uint8_t>()(token, bit) = 1;
      const Tensor latent = token_bits_to_latent(config, bits.view<std::uint8_t>(), map);
      ASSERT_EQ(latent.shape(), (Shape{2, 4, 3}));
      for (std::int64_t i = 0; i < latent.elements(); ++i) {
        const bool here = i == (row * 4 + 2 * token + column) * 3 + channel;
        EXPECT_EQ(latent.view<std::uint8_t>().data()[i], here ? 1 : 0) << bit << " at " << i;
      }
    }
  }
}

// What the next scale reads of a map of its own size is what was drawn, bit by bit.
TEST(Latent, TokensReadWhatTheirBitsSay) {
  for (const bool patchify : {false, true}) {
    const model::InfinityConfig config{.bits = 8, .patchify = patchify};
    const MapSize map{3, 2};
    Tensor bits(DType::u8, {6, 8}, MemoryKind::other);
    for (std::int64_t i = 0; i < bits.elements(); ++i) bits.view<std::uint8_t>().data()[i] = i * i % 7 < 3 ? 1 : 0;
    const MapSize cells = latent_size(config, map);
    Tensor sum = Tensor::zeros<float>({cells.height, cells.width, codebook(config)}, MemoryKind::other);
    add_bits(token_bits_to_latent(config, bits.view<std::uint8_t>(), map).view<std::uint8_t>(), sum.view<float>());
    Tensor tokens(DType::f32, {6, 8}, MemoryKind::other);
    latent_to_tokens(config, sum.view<float>(), map, tokens.view<float>());
    for (std::int64_t i = 0; i < bits.elements(); ++i) {
      EXPECT_EQ(tokens.view<float>().data()[i] > 0.0F, bits.view<std::uint8_t>().data()[i] == 1) << i;
    }
  }
}

}  // namespace
}  // namespace scalekv::infinity
