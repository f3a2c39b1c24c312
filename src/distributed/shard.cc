#include "distributed/shard.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "base/numbers.h"

namespace scalekv::distributed {
namespace {

constexpr std::size_t kMostShards = 1'000'000;

}  // namespace

std::string Shard::describe() const { return fmt::format("{}/{}", index, count); }

Shard parse_shard(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto index = find_number<std::uint64_t>(text.substr(0, slash));
  const auto count = find_number<std::uint64_t>(text.substr(std::min(slash + 1, text.size())));
  if (!index || !count || *count > kMostShards || *index >= *count) {
    fail_usage("the shard '{}' makes no sense; 0/4 to 3/4 are the four parts of a run", text);
  }
  return {.index = *index, .count = *count};
}

}  // namespace scalekv::distributed
