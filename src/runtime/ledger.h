// The memory ledger: every large allocation is written in it, by kind, so that a run can say (and a plan predict)
// where the bytes are. Every runtime has one (runtime/runtime.h).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace scalekv {

enum class MemoryKind : std::uint8_t { weights, kv, activations, text, vae, other };
inline constexpr int kMemoryKinds = 6;

// "weights", "kv", ...
std::string_view memory_kind_name(MemoryKind kind);

// Current and peak bytes by kind. Thread safe.
class Ledger {
 public:
  void add(MemoryKind kind, std::int64_t bytes);
  void remove(MemoryKind kind, std::int64_t bytes);

  std::int64_t current(MemoryKind kind) const;
  std::int64_t peak(MemoryKind kind) const;
  std::int64_t current_total() const { return total_.load(); }
  std::int64_t peak_total() const { return total_peak_.load(); }

  // Starts a new measurement: every peak becomes the current figure.
  void reset_peaks();

 private:
  std::array<std::atomic<std::int64_t>, kMemoryKinds> current_{};
  std::array<std::atomic<std::int64_t>, kMemoryKinds> peak_{};
  std::atomic<std::int64_t> total_{0};
  std::atomic<std::int64_t> total_peak_{0};
};

}  // namespace scalekv
