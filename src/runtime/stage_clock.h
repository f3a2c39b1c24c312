// Where time goes inside a forward pass.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/stopwatch.h"

namespace scalekv {

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
