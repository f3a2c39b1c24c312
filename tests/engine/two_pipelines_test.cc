// Two pipelines in one process: each with threads, statistics and memory of its own.
#include <gtest/gtest.h>

#include <thread>

#include "engine/memory_claim.h"
#include "runtime/runtime.h"
#include "scalekv/pipeline.h"

namespace scalekv {
namespace {

struct Drawing {
  Result alone;
  Request request;
};

Drawing drawing(Pipeline& pipeline, const std::string& policy, std::uint64_t seed) {
  Drawing made;
  made.request = {.prompt = "a red circle", .seed = seed, .size = "0.06M", .cache = {.policy = policy}};
  made.alone = pipeline.run(made.request);
  return made;
}

TEST(TwoPipelines, DrawAtTheSameTimeWhatTheyDrawAlone) {
  Pipeline one = Pipeline::open({}, {.threads = 2}), two = Pipeline::open({}, {.threads = 3});
  const Drawing first = drawing(one, "scalekv", 1), second = drawing(two, "full", 2);
  const auto draw = [](Pipeline& pipeline, const Drawing& expected) {
    for (int i = 0; i < 2; ++i) {
      const Result result = pipeline.run(expected.request);
      EXPECT_EQ(result.images, expected.alone.images);
      EXPECT_EQ(result.statistics.kv_bytes_peak, expected.alone.statistics.kv_bytes_peak);
      EXPECT_EQ(result.statistics.peak_bytes.at("activations"), expected.alone.statistics.peak_bytes.at("activations"));
    }
  };
  std::thread other([&] { draw(two, second); });
  draw(one, first);
  other.join();
  EXPECT_LT(first.alone.statistics.kv_bytes_peak, second.alone.statistics.kv_bytes_peak);
}

TEST(TwoPipelines, OneIsCancelledAndTheOtherGoesOn) {
  Pipeline one = Pipeline::open(), two = Pipeline::open();
  const Request request{.prompt = "a red circle", .size = "0.06M"};
  one.cancel();
  EXPECT_THROW(one.run(request), Cancelled);
  EXPECT_EQ(one.run(request).images, two.run(request).images);
}

TEST(TwoPipelines, MemoryIsRefusedByTheSum) {
  const std::int64_t weights = Pipeline::open().facts().weight_bytes;
  const OpenOptions options{.memory_limit = weights * 3 / 2};
  const Pipeline one = Pipeline::open({}, options);
  EXPECT_THROW(Pipeline::open({}, options), Error);

  // What a runtime has claimed counts before it holds it, and no longer than the claim lives.
  Runtime other(1);
  const Runtime::Scope scope(other);
  const auto refuse = [](std::int64_t allowed) { throw allowed; };
  EXPECT_EQ(engine::memory_allowed(weights + 100), 100);
  {
    const engine::MemoryClaim claim(60, weights + 100, refuse);
    Runtime third(1);
    const Runtime::Scope inner(third);
    EXPECT_EQ(engine::memory_allowed(weights + 100), 40);
    EXPECT_THROW(engine::MemoryClaim(41, weights + 100, refuse), std::int64_t);
  }
  EXPECT_EQ(engine::memory_allowed(weights + 100), 100);
}

}  // namespace
}  // namespace scalekv
