#include "runtime/threads.h"

#include <omp.h>

#include "base/error.h"

namespace scalekv {

void set_threads(int count) {
  if (count < 1 || count > 1024) fail_usage("{} threads are not possible; ask for 1 to 1024", count);
  omp_set_num_threads(count);
}

int threads() { return omp_get_max_threads(); }

int available_processors() { return omp_get_num_procs(); }

}  // namespace scalekv
