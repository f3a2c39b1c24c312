#include "distributed/shard.h"

#include <charconv>

#include "core/error.h"

namespace scalekv::distributed {
namespace {

constexpr std::size_t kMostShards = 1'000'000;

bool parse_number(std::string_view text, std::size_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string Shard::describe() const { return fmt::format("{}/{}", index, count); }

Shard parse_shard(std::string_view text) {
  Shard shard;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !parse_number(text.substr(0, slash), shard.index) ||
      !parse_number(text.substr(slash + 1), shard.count) || shard.count > kMostShards || shard.index >= shard.count) {
    fail_usage("the shard '{}' makes no sense; 0/4 to 3/4 are the four parts of a run", text);
  }
  return shard;
}

}  // namespace scalekv::distributed
