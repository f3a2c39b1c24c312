#include "runtime/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "runtime/runtime.h"
#include "runtime/tensor.h"

namespace scalekv {
namespace {

TEST(ParallelFor, EveryStepRunsOnceAndWorkersHaveTheirNumbers) {
  for (const int count : {1, 2, 5}) {
    Runtime runtime(count);
    const Runtime::Scope scope(runtime);
    for (const std::int64_t steps : {0, 1, 2, 7, 1000}) {
      std::vector<int> runs(static_cast<std::size_t>(steps), 0);
      std::vector<std::int64_t> sums(static_cast<std::size_t>(count), 0);  // each is its worker's alone
      const auto body = [&](std::int64_t i, int worker) {
        ++runs[static_cast<std::size_t>(i)];
        sums[static_cast<std::size_t>(worker)] += i;
      };
      parallel_for(steps, body);
      parallel_for_static(steps, body);
      EXPECT_EQ(runs, std::vector<int>(runs.size(), 2));
      EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), std::int64_t{0}), steps * (steps - 1));
    }
  }
}

TEST(ParallelFor, AnExceptionReachesTheCallerAndTheNextLoopRuns) {
  Runtime runtime(3);
  const Runtime::Scope scope(runtime);
  std::atomic<int> begun = 0;
  const auto failing = [&](std::int64_t i) {
    ++begun;
    if (i == 5) throw std::runtime_error("step 5");
  };
  EXPECT_THROW(parallel_for(1'000'000, failing), std::runtime_error);
  EXPECT_LT(begun, 1'000'000);  // those that had not begun are left out
  std::atomic<int> run = 0;
  parallel_for(100, [&](std::int64_t) { ++run; });
  EXPECT_EQ(run, 100);
}

TEST(ParallelFor, LoopsWithinLoopsRunInTheSameRuntime) {
  Runtime runtime(3);
  const Runtime::Scope scope(runtime);
  std::atomic<int> run = 0;
  parallel_for(10, [&](std::int64_t) {
    EXPECT_EQ(&Runtime::current(), &runtime);
    parallel_for(10, [&](std::int64_t) { ++run; });
    const Runtime::Scope alone(runtime, 1);
    EXPECT_EQ(threads(), 1);
    const std::thread::id here = std::this_thread::get_id();
    parallel_for(10, [&](std::int64_t) { EXPECT_EQ(std::this_thread::get_id(), here); });
  });
  EXPECT_EQ(run, 100);
  EXPECT_EQ(threads(), 3);
}

TEST(Runtime, EachHasItsLedgerAndAnAllocationKeepsItsOwn) {
  Runtime one(1);
  Tensor tensor;
  {
    Runtime two(1);
    const Runtime::Scope scope(two);
    tensor = Tensor(DType::f32, {10}, MemoryKind::kv);
    EXPECT_EQ(ledger().current(MemoryKind::kv), 40);
    const Runtime::Scope inner(one);
    EXPECT_EQ(ledger().current_total(), 0);
  }
  tensor = Tensor();  // its runtime is gone
}

TEST(Runtime, RefusesThreadsThatAreNotPossible) {
  EXPECT_THROW(Runtime(-1), UsageError);
  EXPECT_THROW(Runtime(1025), UsageError);
  EXPECT_EQ(Runtime().threads(), available_processors());
}

TEST(Runtime, ACancellationIsThrownOnce) {
  Runtime runtime(1);
  EXPECT_NO_THROW(runtime.throw_if_cancelled());
  runtime.cancel();
  EXPECT_THROW(runtime.throw_if_cancelled(), Cancelled);
  EXPECT_NO_THROW(runtime.throw_if_cancelled());
}

}  // namespace
}  // namespace scalekv
