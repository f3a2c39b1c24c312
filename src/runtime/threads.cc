#include "runtime/threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "base/ceil_divide.h"
#include "runtime/runtime.h"

#if defined(__SANITIZE_THREAD__)
#define SCALEKV_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SCALEKV_TSAN 1
#endif
#endif

#ifdef SCALEKV_TSAN
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace scalekv::internal {
namespace {

// What the pool orders (runtime/pool.h), in words that ThreadSanitizer reads: what comes before a release() at an
// address comes before what follows an acquire() there.
#ifdef SCALEKV_TSAN
void acquire(void* address) { __tsan_acquire(address); }
void release(void* address) { __tsan_release(address); }
#else
void acquire(void*) {}
void release(void*) {}
#endif

// One loop in progress.
class Loop {
 public:
  Loop(std::int64_t count, std::int64_t length, LoopSteps steps, const void* body)
      : count_(count), length_(length), steps_(steps), body_(body), most_threads_(threads()) {}

  void run(int workers) {
    release(this);
    runtime_.pool().run(
        workers, [](void* loop, int worker) { static_cast<Loop*>(loop)->work(worker); }, this);
    acquire(this);
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work(int worker) {
    acquire(this);
    const Runtime::Scope scope(runtime_, most_threads_);
    try {
      for (;;) {
        const std::int64_t begin = next_.fetch_add(length_);
        if (begin >= count_) break;
        steps_(body_, begin, std::min(count_, begin + length_), worker);
      }
    } catch (...) {
      const std::lock_guard lock(failing_);
      if (!failure_) failure_ = std::current_exception();
      next_ = count_;  // nobody begins another step
    }
    release(this);
  }

  std::int64_t count_, length_;
  LoopSteps steps_;
  const void* body_;
  Runtime& runtime_ = Runtime::current();
  int most_threads_;
  std::atomic<std::int64_t> next_{0};
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
