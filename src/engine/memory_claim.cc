#include "engine/memory_claim.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "runtime/available_memory.h"
#include "runtime/runtime.h"

namespace scalekv::engine {
namespace {

// Everything that is claimed in this process.
struct Account {
  std::mutex mutex;
  std::set<const MemoryClaim*> claims;
};

Account& account() {
  static Account instance;
  return instance;
}

// The others' claims: in all, and beyond what they hold now.
struct Others {
  std::int64_t claimed = 0, to_come = 0;
};

Others others_than(const Ledger& mine) {
  std::map<const Ledger*, std::int64_t> most;
  for (const MemoryClaim* claim : account().claims) {
    if (&claim->held() == &mine) continue;
    std::int64_t& bytes = most.try_emplace(&claim->held(), claim->held().current_total()).first->second;
    bytes = std::max(bytes, claim->bytes());
  }
  Others others;
  for (const auto& [other, bytes] : most) {
    others.claimed += bytes;
    others.to_come += std::max<std::int64_t>(0, bytes - other->current_total());
  }
  return others;
}

std::int64_t allowed_now(std::int64_t limit) {
  const Others others = others_than(ledger());
  if (limit > 0) return limit - others.claimed;
  const std::int64_t available = available_memory();
  std::int64_t sum = 0;
  const bool unknown = __builtin_add_overflow(available, ledger().current_total() - others.to_come, &sum);
  return unknown ? available : sum;
}

}  // namespace

MemoryClaim::MemoryClaim() : ledger_(Runtime::current().ledger()) {
  const std::lock_guard lock(account().mutex);
  account().claims.insert(this);
}

MemoryClaim::MemoryClaim(std::int64_t bytes, std::int64_t limit,
                         const std::function<void(std::int64_t allowed)>& refuse)
    : ledger_(Runtime::current().ledger()), bytes_(bytes) {
  std::unique_lock lock(account().mutex);
  const std::int64_t allowed = allowed_now(limit);
  if (bytes > allowed) {
    lock.unlock();
    refuse(allowed);
    lock.lock();
  }
  account().claims.insert(this);
}

MemoryClaim::~MemoryClaim() {
  const std::lock_guard lock(account().mutex);
  account().claims.erase(this);
}

std::int64_t memory_allowed(std::int64_t limit) {
  const std::lock_guard lock(account().mutex);
  return allowed_now(limit);
}

}  // namespace scalekv::engine
