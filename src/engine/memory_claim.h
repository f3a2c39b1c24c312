// What the pipelines of this process take together. Memory is the machine's, so this account is the process's: a
// request is refused by the sum of what all have claimed, not by what happens to be in use at the moment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/ledger.h"

namespace scalekv::engine {

// While it lives, the runtime it was made in counts as holding `bytes` at least.
class MemoryClaim {
 public:
  // Claims what the runtime already holds (a pipeline's weights), which cannot be refused any more.
  MemoryClaim();
  // Claims `bytes`, what the runtime already holds included. limit: bytes that the process may have (0: what the system
  // and its control groups allow). Where the runtime may hold less, calls `refuse` with that number; it throws.
  MemoryClaim(std::int64_t bytes, std::int64_t limit, const std::function<void(std::int64_t allowed)>& refuse);
  ~MemoryClaim();
  MemoryClaim(const MemoryClaim&) = delete;
  MemoryClaim& operator=(const MemoryClaim&) = delete;

  const Ledger& held() const { return *ledger_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<const Ledger> ledger_;
  std::int64_t bytes_ = 0;
};

// What the current runtime may hold in all, what it holds included, where the process may have `limit` bytes, or (0)
// what the system and its control groups allow.
std::int64_t memory_allowed(std::int64_t limit);

}  // namespace scalekv::engine
