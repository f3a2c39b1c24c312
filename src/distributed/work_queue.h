// The numbers of the jobs that are left, handed out one by one to whoever asks.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "distributed/failure.h"

namespace scalekv::distributed {

// Thread safe: rank 0 draws in one thread and answers the other ranks in another.
class WorkQueue {
 public:
  struct Answer {
    bool wait = false;                 // the jobs are not known yet: ask again
    std::optional<std::uint32_t> job;  // none: there is nothing left to do
  };

  // What there is to do. Once.
  void fill(const std::vector<std::uint32_t>& jobs);
  // Hands out nothing more. The first failure stays.
  void close(const Failure& failure);

  // The asker has done the job it had.
  Answer next(bool did_one);

  std::size_t done() const;
  std::size_t total() const;
  std::optional<Failure> failure() const;

 private:
  mutable std::mutex mutex_;
  bool filled_ = false;
  std::deque<std::uint32_t> jobs_;
  std::size_t total_ = 0;
  std::size_t done_ = 0;
  std::optional<Failure> failure_;
};

}  // namespace scalekv::distributed
