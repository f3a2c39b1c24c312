// How a product of matrices is cut into tasks.
#pragma once

#include <cstdint>

#include "base/ceil_divide.h"
#include "runtime/threads.h"

namespace scalekv::kernels {

// Rows of a task, where each block of them is `slabs` tasks: `most`, halved down to `least` where the threads would
// have too few tasks to share them evenly.
inline std::int64_t task_rows(std::int64_t rows, std::int64_t slabs, std::int64_t most, std::int64_t least) {
  constexpr std::int64_t kTasksPerThread = 4;
  std::int64_t height = most;
  while (height > least && ceil_divide(rows, height) * slabs < kTasksPerThread * threads()) height /= 2;
  return height;
}

}  // namespace scalekv::kernels
