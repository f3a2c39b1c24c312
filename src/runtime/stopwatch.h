// Wall-clock time, lap by lap.
#pragma once

#include <chrono>
#include <utility>

namespace scalekv {

class Stopwatch {
 public:
  // Seconds since the last lap (or the start).
  double lap() {
    const auto now = Clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }
  // The same, in the middle of a lap.
  double seconds() const { return std::chrono::duration<double>(Clock::now() - last_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

}  // namespace scalekv
