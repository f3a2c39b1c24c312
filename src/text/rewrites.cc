#include "text/rewrites.h"

#include <utf8proc.h>

#include <cstring>

#include "base/utf8.h"

namespace scalekv::text {
namespace {

// The bytes of the grapheme cluster that `text` begins with.
std::size_t cluster_length(std::string_view text) {
  const auto decode = [&](std::size_t at) { return first_character(text.substr(at)).value_or(Character{0, 1}); };
  utf8proc_int32_t state = 0;
  Character before = decode(0);
  std::size_t end = before.bytes;
  while (end < text.size()) {
    const Character next = decode(end);
    const bool breaks = utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before.code),
                                                         static_cast<utf8proc_int32_t>(next.code), &state);
    if (breaks) break;
    before = next;
    end += next.bytes;
  }
  return end;
}

std::size_t offset(std::uint32_t unit) { return static_cast<std::size_t>(unit >> 10U) << ((unit & 0x200U) >> 6U); }

}  // namespace

Rewrites::Rewrites(std::string_view table) {
  if (table.empty()) return;
  std::uint32_t size = 0;
  std::memcpy(&size, table.data(), sizeof(size));
  units_.resize(size / sizeof(std::uint32_t));
  std::memcpy(units_.data(), table.data() + sizeof(size), size);
  texts_ = table.substr(sizeof(size) + size);
}

std::optional<std::string_view> Rewrites::find(std::string_view text) const {
  std::size_t place = offset(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    place ^= byte;
    const std::uint32_t unit = units_[place];
    if (byte == 0 || (unit & 0x800000FFU) != byte) return std::nullopt;
    place ^= offset(unit);
    if ((unit & 0x100U) != 0) return texts_.c_str() + (units_[place] & 0x7FFFFFFFU);
  }
  return std::nullopt;
}

void Rewrites::append_cluster(std::string_view cluster, std::string& result) const {
  constexpr std::size_t kLongest = 5;
  if (cluster.size() <= kLongest) {
    if (const auto whole = find(cluster)) {
      result += *whole;
      return;
    }
  }
  while (!cluster.empty()) {
    const std::string_view character = cluster.substr(0, character_length(cluster.front()));
    result += find(character).value_or(character);
    cluster.remove_prefix(character.size());
  }
}

std::string Rewrites::apply(std::string_view text) const {
  if (units_.empty()) return std::string(text);
  std::string result;
  while (!text.empty()) {
    const std::size_t length = cluster_length(text);
    append_cluster(text.substr(0, length), result);
    text.remove_prefix(length);
  }
  return result;
}

}  // namespace scalekv::text
