// Compiled without ThreadSanitizer: it cannot see how oneTBB's own library orders a task after the one that made it.
// run_loop() tells it that order, and the loops' bodies are watched as everything else.
#include "runtime/pool.h"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>
#include <tbb/version.h>

namespace scalekv {

struct Pool::Arena {
  explicit Arena(int count) : threads(count) {}

  // oneTBB has as many threads as there are processors, for all arenas of the process, unless it is allowed more.
  tbb::global_control allowed{tbb::global_control::max_allowed_parallelism, 1024};
  tbb::task_arena threads;
};

Pool::Pool(int threads) : arena_(std::make_unique<Arena>(threads)) {}
Pool::~Pool() = default;

void Pool::run(int count, void (*work)(void* context, int i), void* context) {
  arena_->threads.execute([&] {
    tbb::parallel_for(
        0, count, [=](int i) { work(context, i); }, tbb::simple_partitioner());
  });
}

std::string threads_library() { return "oneTBB " TBB_VERSION_STRING; }

}  // namespace scalekv
