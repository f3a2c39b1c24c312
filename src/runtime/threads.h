// Threads: one pool, OpenMP's, which oneDNN shares.
#pragma once

#include <cstdint>

namespace scalekv {

// How many threads parallel regions use. Throws UsageError unless 1 <= count <= 1024.
void set_threads(int count);
int threads();

// The processors this process may use.
int available_processors();

// Calls body(i) for i in [0, count), shared among the threads in steps of one; body must not throw and its result must
// not depend on which thread runs it.
template <typename Body>
void parallel_for(std::int64_t count, const Body& body) {
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
  for (std::int64_t i = 0; i < count; ++i) body(i);
}

// The same for many small steps: threads take contiguous runs.
template <typename Body>
void parallel_for_static(std::int64_t count, const Body& body) {
#pragma omp parallel for schedule(static) if (count > 1)
  for (std::int64_t i = 0; i < count; ++i) body(i);
}

}  // namespace scalekv
