// The processes of a run, one or many, and how they share its work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace scalekv::distributed {

struct Work {
  // Every process, first: opens what it needs.
  std::function<void()> open;
  // Rank 0, then: the jobs that are to be done.
  std::function<std::vector<std::uint32_t>()> prepare;
  // Every process, for the jobs it is given.
  std::function<void(std::uint32_t job)> run;
  // Rank 0, often while it waits for the others at the end; throws to stop.
  std::function<void()> wait;
};

class Crew {
 public:
  virtual ~Crew() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Processors for each process of this machine: those it may use, shared among the processes that may use the same.
  virtual int processors() const = 0;

  // What rank 0 has. Every process calls it at the same time.
  virtual std::uint64_t of_first(std::uint64_t mine) const = 0;

  // Does the work: each process takes a job when it has done the one before, so a slow machine does not hold the rest.
  // What is thrown on any process stops all of them when they have done the job at hand, and is thrown on rank 0; the
  // others return.
  virtual void share(const Work& work) = 0;

  // Jobs done by all, and how many there are, in this run. Rank 0 only.
  virtual std::size_t done() const = 0;
  virtual std::size_t total() const = 0;
};

// Those of an MPI job. Throws Error where the MPI module is missing or cannot be used (mpi_module.h).
std::unique_ptr<Crew> join_mpi_crew();

// The processes that mpirun (or srun) started with this one, or this one alone. Throws as join_mpi_crew().
std::unique_ptr<Crew> join_crew();

}  // namespace scalekv::distributed
