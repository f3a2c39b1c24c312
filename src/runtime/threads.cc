#include "runtime/threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "base/ceil_divide.h"
#include "runtime/runtime.h"

namespace scalekv::internal {
namespace {

// One loop in progress. Its atomics say, besides what they count, that the caller's writes come before the steps and
// the steps before what the caller does next.
class Loop {
 public:
  Loop(std::int64_t count, std::int64_t length, LoopSteps steps, const void* body)
      : count_(count), length_(length), steps_(steps), body_(body), most_threads_(threads()) {}

  void run(int workers) {
    next_.store(0, std::memory_order_release);
    runtime_.pool().run(
        workers, [](void* loop, int worker) { static_cast<Loop*>(loop)->work(worker); }, this);
    done_.load(std::memory_order_acquire);
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work(int worker) {
    const Runtime::Scope scope(runtime_, most_threads_);
    try {
      for (;;) {
        const std::int64_t begin = next_.fetch_add(length_, std::memory_order_acq_rel);
        if (begin >= count_) break;
        steps_(body_, begin, std::min(count_, begin + length_), worker);
      }
    } catch (...) {
      const std::lock_guard lock(failing_);
      if (!failure_) failure_ = std::current_exception();
      next_.store(count_, std::memory_order_release);  // nobody begins another step
    }
    done_.fetch_add(1, std::memory_order_acq_rel);
  }

  std::int64_t count_, length_;
  LoopSteps steps_;
  const void* body_;
  Runtime& runtime_ = Runtime::current();
  int most_threads_;
  std::atomic<std::int64_t> next_{0};
  std::atomic<int> done_{0};
  std::mutex failing_;
  std::exception_ptr failure_;
};

}  // namespace

void run_loop(std::int64_t count, std::int64_t length, LoopSteps steps, const void* body) {
  if (count <= 0) return;
  const std::int64_t workers = std::min<std::int64_t>(threads(), ceil_divide(count, length));
  if (workers == 1) {
    steps(body, 0, count, 0);
  } else {
    Loop(count, length, steps, body).run(static_cast<int>(workers));
  }
}

std::int64_t few_runs(std::int64_t count) {
  constexpr std::int64_t kRunsPerThread = 4;
  return std::max<std::int64_t>(1, ceil_divide(count, kRunsPerThread * threads()));
}

}  // namespace scalekv::internal
