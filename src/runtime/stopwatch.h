// Wall-clock time, lap by lap.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
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

// What a transformer does, as far as a clock tells it apart.
enum class Stage : std::uint8_t { linear, attention, cross_attention, selection, rest };
inline constexpr std::size_t kStages = 5;

// Work that follows one after the other: lap() charges the time since the lap before it.
class StageClock {
 public:
  void lap(Stage stage) { seconds_[static_cast<std::size_t>(stage)] += watch_.lap(); }
  // What came since the last lap is charged to nothing.
  void skip() { watch_.lap(); }
  double seconds(Stage stage) const { return seconds_[static_cast<std::size_t>(stage)]; }

 private:
  Stopwatch watch_;
  std::array<double, kStages> seconds_{};
};

}  // namespace scalekv
