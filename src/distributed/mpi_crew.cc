// Rank 0 keeps the queue. The others send it one message for each job they want, which says how the last one went, and
// wait for a number. It answers in a thread of its own, because it draws, too, and a picture can take minutes.
#ifdef SCALEKV_MPI

#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <string>
#include <thread>

#include "base/error.h"
#include "distributed/crew.h"
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
  MpiCrew() {
    int provided = 0;
    // Rank 0 talks in one thread after the other, never in two at once.
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
    if (provided < MPI_THREAD_SERIALIZED) {
      MPI_Finalize();
      fail("this MPI library has no thread support (MPI_THREAD_SERIALIZED); use `shard` instead");
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    processors_ = count_processors();
  }
  ~MpiCrew() override { MPI_Finalize(); }
  MpiCrew(const MpiCrew&) = delete;
  MpiCrew& operator=(const MpiCrew&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int processors() const override { return processors_; }
  std::size_t done() const override { return queue_.done(); }
  std::size_t total() const override { return queue_.total(); }

  std::uint64_t of_first(std::uint64_t mine) const override {
    MPI_Bcast(&mine, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    return mine;
  }

  void share(const Work& work) override { rank_ == 0 ? lead(work) : follow(work); }

 private:
  static int count_processors();

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
      for (bool heard = true; heard;) {
        heard = false;
        hear(askers, heard);
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
        MPI_Send(&job, 1, MPI_INT64_T, rank, kAnswerTag, MPI_COMM_WORLD);
        if (job == kNothingLeft) --working;
      }
    }
  }

  void hear(std::deque<std::pair<int, bool>>& askers, bool& heard) {
    int there = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, kAskTag, MPI_COMM_WORLD, &there, &status);
    if (there == 0) return;
    heard = true;
    int length = 0;
    MPI_Get_count(&status, MPI_CHAR, &length);
    std::string message(static_cast<std::size_t>(length), '\0');
    const int rank = status.MPI_SOURCE;
    MPI_Recv(message.data(), length, MPI_CHAR, rank, kAskTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (message.front() == static_cast<char>(Ask::failed)) {
      queue_.close({static_cast<Failure::Kind>(message[1]), fmt::format("rank {}: {}", rank, message.substr(2))});
    }
    askers.emplace_back(rank, message.front() == static_cast<char>(Ask::done));
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

  static std::int64_t ask(const std::string& message) {
    MPI_Send(message.data(), static_cast<int>(message.size()), MPI_CHAR, 0, kAskTag, MPI_COMM_WORLD);
    std::int64_t job = kNothingLeft;
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Irecv(&job, 1, MPI_INT64_T, 0, kAnswerTag, MPI_COMM_WORLD, &request);
    for (int there = 0; there == 0;) {
      MPI_Test(&request, &there, MPI_STATUS_IGNORE);
      if (there == 0) rest();
    }
    return job;
  }

  int rank_ = 0;
  int size_ = 1;
  int processors_ = 1;
  WorkQueue queue_;
};

// mpirun may have bound each process to processors of its own, or left them all; the processes of a machine compare.
int MpiCrew::count_processors() {
  MPI_Comm machine = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  int processes = 1;
  MPI_Comm_size(machine, &processes);
  cpu_set_t mine;
  CPU_ZERO(&mine);
  ::sched_getaffinity(0, sizeof mine, &mine);
  std::vector<cpu_set_t> all(static_cast<std::size_t>(processes));
  MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, machine);
  MPI_Comm_free(&machine);
  const auto sharing =
      std::count_if(all.begin(), all.end(), [&](const cpu_set_t& other) { return CPU_EQUAL(&mine, &other) != 0; });
  return std::max(1, CPU_COUNT(&mine) / static_cast<int>(sharing));
}

}  // namespace

std::unique_ptr<Crew> join_mpi_crew() { return std::make_unique<MpiCrew>(); }

}  // namespace scalekv::distributed

#endif
