// Rank 0 keeps the queue. The others send it one message for each job they want, which says how the last one went, and
// wait for a number. It answers in a thread of its own, because it draws, too, and a picture can take minutes.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <string>
#include <thread>

#include "base/error.h"
#include "distributed/crew.h"
#include "distributed/mpi_module.h"
#include "distributed/work_queue.h"

namespace scalekv::distributed {
namespace {

constexpr int kAskTag = 1;
constexpr int kAnswerTag = 2;
constexpr std::int64_t kNothingLeft = -1;

// MPI spins while it waits; the processors are for drawing.
void rest() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

enum class Ask : char { first, done, failed };

class MpiCrew : public Crew {
 public:
  explicit MpiCrew(const ScalekvMpi& mpi) : mpi_(mpi) {
    if (const char* why = mpi_.join()) fail("{}; use `shard` instead", why);
    rank_ = mpi_.rank();
    size_ = mpi_.size();
    processors_ = count_processors();
  }
  ~MpiCrew() override { mpi_.leave(); }
  MpiCrew(const MpiCrew&) = delete;
  MpiCrew& operator=(const MpiCrew&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int processors() const override { return processors_; }
  std::size_t done() const override { return queue_.done(); }
  std::size_t total() const override { return queue_.total(); }

  std::uint64_t of_first(std::uint64_t mine) const override {
    mpi_.broadcast(&mine, sizeof mine);
    return mine;
  }

  void share(const Work& work) override { rank_ == 0 ? lead(work) : follow(work); }

 private:
  int count_processors() const;

  void lead(const Work& work) {
    std::atomic<bool> all_told = size_ == 1;
    std::thread answers([&] {
      answer_all();
      all_told = true;
    });
    try {
      work.open();
      queue_.fill(work.prepare());
      for (auto answer = queue_.next(false); answer.job; answer = queue_.next(true)) work.run(*answer.job);
      for (; !all_told; std::this_thread::sleep_for(std::chrono::milliseconds(50))) work.wait();
    } catch (...) {
      queue_.close(Failure::current());
    }
    answers.join();
    if (const auto failure = queue_.failure()) failure->raise();
  }

  // Until every other rank was told that nothing is left.
  void answer_all() {
    std::deque<std::pair<int, bool>> askers;  // rank, whether it has done a job
    for (int working = size_ - 1; working > 0; rest()) {
      while (hear(askers)) {
      }
      for (std::size_t left = askers.size(); left > 0; --left) {
        const auto [rank, did_one] = askers.front();
        askers.pop_front();
        const WorkQueue::Answer answer = queue_.next(did_one);
        if (answer.wait) {
          askers.emplace_back(rank, false);
          continue;
        }
        const std::int64_t job = answer.job ? std::int64_t{*answer.job} : kNothingLeft;
        mpi_.send(&job, sizeof job, rank, kAnswerTag);
        if (job == kNothingLeft) --working;
      }
    }
  }

  // Takes one message, if one is there.
  bool hear(std::deque<std::pair<int, bool>>& askers) {
    int rank = 0, length = 0;
    if (!mpi_.probe(kAskTag, &rank, &length)) return false;
    std::string message(static_cast<std::size_t>(length), '\0');
    mpi_.receive(message.data(), length, rank, kAskTag);
    if (message.front() == static_cast<char>(Ask::failed)) {
      queue_.close({static_cast<Failure::Kind>(message[1]), fmt::format("rank {}: {}", rank, message.substr(2))});
    }
    askers.emplace_back(rank, message.front() == static_cast<char>(Ask::done));
    return true;
  }

  void follow(const Work& work) {
    std::string message(1, static_cast<char>(Ask::first));
    try {
      work.open();
    } catch (...) {
      message = failed_message();
    }
    for (std::int64_t job = ask(message); job != kNothingLeft; job = ask(message)) {
      try {
        work.run(static_cast<std::uint32_t>(job));
        message = static_cast<char>(Ask::done);
      } catch (...) {
        message = failed_message();
      }
    }
  }

  static std::string failed_message() {
    const Failure failure = Failure::current();
    return std::string{static_cast<char>(Ask::failed), static_cast<char>(failure.kind)} + failure.message;
  }

  std::int64_t ask(const std::string& message) const {
    mpi_.send(message.data(), static_cast<int>(message.size()), 0, kAskTag);
    int rank = 0, length = 0;
    while (!mpi_.probe(kAnswerTag, &rank, &length)) rest();
    std::int64_t job = kNothingLeft;
    mpi_.receive(&job, sizeof job, rank, kAnswerTag);
    return job;
  }

  const ScalekvMpi& mpi_;
  int rank_ = 0;
  int size_ = 1;
  int processors_ = 1;
  WorkQueue queue_;
};

// mpirun may have bound each process to processors of its own, or left them all; the processes of a machine compare.
int MpiCrew::count_processors() const {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  ::sched_getaffinity(0, sizeof mine, &mine);
  return std::max(1, CPU_COUNT(&mine) / mpi_.count_alike(&mine, sizeof mine));
}

}  // namespace

std::unique_ptr<Crew> join_mpi_crew() { return std::make_unique<MpiCrew>(load_mpi()); }

}  // namespace scalekv::distributed
