// Where time goes inside a forward pass.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

namespace scalekv {

// What a transformer does, as far as a clock tells it apart.
enum class Stage : std::uint8_t { linear, attention, cross_attention, selection, rest };
inline constexpr std::size_t kStages = 5;

// Work that follows one after the other: lap() charges the time since the lap before it.
class StageClock {
 public:
  void lap(Stage stage) {
    const auto now = std::chrono::steady_clock::now();
    seconds_[static_cast<std::size_t>(stage)] += std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }
  double seconds(Stage stage) const { return seconds_[static_cast<std::size_t>(stage)]; }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::array<double, kStages> seconds_{};
};

}  // namespace scalekv
