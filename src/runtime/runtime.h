// What runs, runs in a runtime: its threads, the ledger of its memory, and whether it has been told to stop. A pipeline
// owns one, so that pipelines in one process neither wait for each other nor count each other's bytes.
#pragma once

#include <atomic>
#include <memory>

#include "runtime/ledger.h"
#include "runtime/pool.h"

namespace scalekv {

// The processors this process may use.
int available_processors();

class Runtime {
 public:
  // threads: 1 to 1024; 0: one for each processor. More than there are processors share them. Throws UsageError on any
  // other number.
  explicit Runtime(int threads = 0);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  int threads() const { return threads_; }
  // Other threads, while nothing runs. Throws as the constructor does.
  void set_threads(int threads);
  Pool& pool() { return *pool_; }
  // Shared with every allocation that is written in it, which may outlive the runtime.
  const std::shared_ptr<Ledger>& ledger() const { return ledger_; }

  // Asks what runs here to stop; it throws Cancelled at its next scale. May be called from any thread.
  void cancel() { cancelled_ = true; }
  // Throws Cancelled where somebody asked since the last call.
  void throw_if_cancelled();

  // While it lives, the calling thread and the loops it runs work in this runtime.
  class Scope {
   public:
    explicit Scope(Runtime& runtime);
    // With no more than so many of its threads.
    Scope(Runtime& runtime, int most_threads);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Runtime* outer_;
    int outer_threads_;
  };

  // Of the calling thread, which must be in a scope.
  static Runtime& current();

 private:
  int threads_;
  std::unique_ptr<Pool> pool_;
  std::shared_ptr<Ledger> ledger_ = std::make_shared<Ledger>();
  std::atomic<bool> cancelled_{false};
};

// The ledger of the current runtime.
inline Ledger& ledger() { return *Runtime::current().ledger(); }

}  // namespace scalekv
