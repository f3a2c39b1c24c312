#include "distributed/work_queue.h"

namespace scalekv::distributed {

void WorkQueue::fill(const std::vector<std::uint32_t>& jobs) {
  const std::scoped_lock lock(mutex_);
  filled_ = true;
  jobs_.assign(jobs.begin(), jobs.end());
  total_ = jobs.size();
}

void WorkQueue::close(const Failure& failure) {
  const std::scoped_lock lock(mutex_);
  if (!failure_) failure_ = failure;
}

WorkQueue::Answer WorkQueue::next(bool did_one) {
  const std::scoped_lock lock(mutex_);
  if (did_one) ++done_;
  if (failure_) return {};
  if (!filled_) return {.wait = true, .job = {}};
  if (jobs_.empty()) return {};
  const std::uint32_t job = jobs_.front();
  jobs_.pop_front();
  return {.wait = false, .job = job};
}

std::size_t WorkQueue::done() const {
  const std::scoped_lock lock(mutex_);
  return done_;
}

std::size_t WorkQueue::total() const {
  const std::scoped_lock lock(mutex_);
  return total_;
}

std::optional<Failure> WorkQueue::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

}  // namespace scalekv::distributed
