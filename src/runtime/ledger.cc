#include "runtime/ledger.h"

namespace scalekv {
namespace {

void raise_to(std::atomic<std::int64_t>& peak, std::int64_t value) {
  std::int64_t seen = peak.load();
  while (value > seen && !peak.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace

std::string_view memory_kind_name(MemoryKind kind) {
  constexpr std::array<std::string_view, kMemoryKinds> kNames = {"weights", "kv",  "activations",
                                                                 "text",    "vae", "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

void Ledger::add(MemoryKind kind, std::int64_t bytes) {
  const auto index = static_cast<std::size_t>(kind);
  raise_to(peak_[index], current_[index].fetch_add(bytes) + bytes);
  raise_to(total_peak_, total_.fetch_add(bytes) + bytes);
}

void Ledger::remove(MemoryKind kind, std::int64_t bytes) {
  current_[static_cast<std::size_t>(kind)].fetch_sub(bytes);
  total_.fetch_sub(bytes);
}

std::int64_t Ledger::current(MemoryKind kind) const { return current_[static_cast<std::size_t>(kind)].load(); }

std::int64_t Ledger::peak(MemoryKind kind) const { return peak_[static_cast<std::size_t>(kind)].load(); }

void Ledger::reset_peaks() {
  for (std::size_t i = 0; i < current_.size(); ++i) peak_[i].store(current_[i].load());
  total_peak_.store(total_.load());
}

}  // namespace scalekv
