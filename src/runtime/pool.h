// Threads that a runtime owns: oneTBB's arena of so many, behind a face that keeps its headers to one file.
#pragma once

#include <memory>
#include <string>

namespace scalekv {

class Pool {
 public:
  // threads: 1 and up; the one that calls run() is among them.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Calls work(context, i) for i in [0, count), on as many threads as are free; returns when all are done. May be
  // called from several threads, and from within `work`, which must not throw.
  void run(int count, void (*work)(void* context, int i), void* context);

 private:
  struct Arena;
  std::unique_ptr<Arena> arena_;
};

// "oneTBB 2021.8".
std::string threads_library();

}  // namespace scalekv
