#include "model/infinity_config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/random_source.h"

namespace scalekv::infinity {
namespace {

using testing::small_config;

TEST(Config, InferredFromShapes) {
  for (const std::int64_t codebook : {8, 2}) {
    const model::InfinityConfig config =
        model::infer_infinity_config(testing::random_transformer(small_config()), codebook);
    EXPECT_EQ(config.depth, 4);
    EXPECT_EQ(config.heads, 3);
    EXPECT_EQ(config.chunks, 2);
    EXPECT_EQ(config.feed_forward, 256);
    EXPECT_EQ(config.patchify, codebook == 2);
  }
  EXPECT_THROW(static_cast<void>(model::infer_infinity_config(testing::random_transformer(small_config()), 5)), Error);
}

}  // namespace
}  // namespace scalekv::infinity
