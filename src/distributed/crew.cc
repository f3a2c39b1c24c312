#include "distributed/crew.h"

#include <cstdlib>

#include "distributed/work_queue.h"
#include "runtime/runtime.h"

namespace scalekv::distributed {
namespace {

class LoneCrew : public Crew {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int processors() const override { return available_processors(); }

  std::uint64_t of_first(std::uint64_t mine) const override { return mine; }

  void share(const Work& work) override {
    work.open();
    queue_.fill(work.prepare());
    for (auto answer = queue_.next(false); answer.job; answer = queue_.next(true)) work.run(*answer.job);
  }

  std::size_t done() const override { return queue_.done(); }
  std::size_t total() const override { return queue_.total(); }

 private:
  WorkQueue queue_;
};

// What mpirun, srun and MPICH's mpiexec set. MPI is started for none but them: alone, it takes half a second.
bool started_by_mpi() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<Crew> join_crew() {
  if (started_by_mpi()) return join_mpi_crew();
  return std::make_unique<LoneCrew>();
}

}  // namespace scalekv::distributed
