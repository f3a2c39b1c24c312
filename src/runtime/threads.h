// Loops whose steps the threads of the current runtime share.
#pragma once

#include <cstdint>
#include <type_traits>

namespace scalekv {

// How many threads loops use: those of the current runtime, or fewer where a scope says so.
int threads();

namespace internal {

// Steps begin..end-1 of a loop; worker: 0 to threads() - 1, and no two that run at the same time have the same.
using LoopSteps = void (*)(const void* body, std::int64_t begin, std::int64_t end, int worker);

// Calls steps() for all of [0, count) in runs of `length`. The first exception of a body is thrown when all that had
// begun are done.
void run_loop(std::int64_t count, std::int64_t length, LoopSteps steps, const void* body);
// A run's length that gives every thread a few.
std::int64_t few_runs(std::int64_t count);

template <typename Body>
void run_body(const void* body, std::int64_t begin, std::int64_t end, int worker) {
  const Body& call = *static_cast<const Body*>(body);
  for (std::int64_t i = begin; i < end; ++i) {
    if constexpr (std::is_invocable_v<Body, std::int64_t, int>) {
      call(i, worker);
    } else {
      call(i);
    }
  }
}

}  // namespace internal

// Calls body(i), or body(i, worker), for i in [0, count): threads take one step after the other. What it computes must
// not depend on which thread runs it. `worker` numbers memory that a thread has to itself.
template <typename Body>
void parallel_for(std::int64_t count, const Body& body) {
  internal::run_loop(count, 1, internal::run_body<Body>, &body);
}

// The same for many small steps: threads take runs of them.
template <typename Body>
void parallel_for_static(std::int64_t count, const Body& body) {
  internal::run_loop(count, internal::few_runs(count), internal::run_body<Body>, &body);
}

}  // namespace scalekv
