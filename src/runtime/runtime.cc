#include "runtime/runtime.h"

#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/error.h"
#include "runtime/threads.h"

namespace scalekv {
namespace {

constexpr int kMostThreads = 1024;

// Where the calling thread is: no scope, or the innermost.
thread_local Runtime* current_runtime = nullptr;
thread_local int most_threads = 0;

int checked(int threads) {
  if (threads == 0) return available_processors();
  if (threads < 0 || threads > kMostThreads) {
    fail_usage("{} threads are not possible; ask for 1 to {}", threads, kMostThreads);
  }
  return threads;
}

}  // namespace

int available_processors() {
#ifdef __linux__
  cpu_set_t processors;
  if (::sched_getaffinity(0, sizeof(processors), &processors) == 0) return std::max(1, CPU_COUNT(&processors));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

Runtime::Runtime(int threads) : threads_(checked(threads)), pool_(std::make_unique<Pool>(threads_)) {}

void Runtime::set_threads(int threads) {
  if (checked(threads) == threads_) return;
  threads_ = checked(threads);
  pool_ = std::make_unique<Pool>(threads_);
}

void Runtime::throw_if_cancelled() {
  if (cancelled_.exchange(false)) throw Cancelled();
}

Runtime::Scope::Scope(Runtime& runtime) : Scope(runtime, kMostThreads) {}

Runtime::Scope::Scope(Runtime& runtime, int threads)
    : outer_(std::exchange(current_runtime, &runtime)), outer_threads_(std::exchange(most_threads, threads)) {}

Runtime::Scope::~Scope() {
  current_runtime = outer_;
  most_threads = outer_threads_;
}

Runtime& Runtime::current() {
  SCALEKV_ASSERT(current_runtime != nullptr);
  return *current_runtime;
}

int threads() { return std::min(most_threads, Runtime::current().threads()); }

}  // namespace scalekv
