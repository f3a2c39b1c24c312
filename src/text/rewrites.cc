#include "text/rewrites.h"

#include <utf8proc.h>

#include <cstring>

#include "base/utf8.h"
#include "text/spiece_model.h"

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

constexpr std::size_t kBlock = 256;  // the units that one unit can lead to

std::size_t offset(std::uint32_t unit) { return static_cast<std::size_t>(unit >> 10U) << ((unit & 0x200U) >> 6U); }
bool has_label(std::uint32_t unit, std::size_t byte) { return (unit & 0x800000FFU) == byte; }
bool ends_key(std::uint32_t unit) { return (unit & 0x100U) != 0; }
std::uint32_t value(std::uint32_t unit) { return unit & 0x7FFFFFFFU; }

}  // namespace

// A size in 4 bytes, that many bytes of the double array, and the texts.
Rewrites::Rewrites(std::string_view table) {
  if (table.empty()) return;
  std::uint32_t size = 0;
  if (table.size() <= sizeof size) refuse_model("its rewrites are cut short");
  std::memcpy(&size, table.data(), sizeof size);
  table.remove_prefix(sizeof size);
  constexpr std::size_t kUnit = sizeof(std::uint32_t);
  if (size == 0 || size % (kBlock * kUnit) != 0 || size >= table.size()) {
    refuse_model("its rewrites have a wrong size");
  }
  units_.resize(size / kUnit);
  std::memcpy(units_.data(), table.data(), size);
  texts_ = table.substr(size);
  check();
}

void Rewrites::check() const {
  if (texts_.back() != '\0') refuse_model("the texts of its rewrites do not end");
  if (find_invalid_utf8(texts_) != std::string_view::npos) refuse_model("the texts of its rewrites are not UTF-8");
  std::vector<bool> seen(units_.size());
  seen[0] = true;
  for (std::vector<std::size_t> left = {0}; !left.empty();) {
    const std::size_t place = left.back();
    left.pop_back();
    const std::size_t base = place ^ offset(units_[place]);
    if (base >= units_.size()) refuse_model("its rewrites point outside their table");
    if (ends_key(units_[place])) check_text(value(units_[base]));
    for (std::size_t byte = 1; byte < kBlock; ++byte) {
      const std::size_t next = base ^ byte;
      if (seen[next] || !has_label(units_[next], byte)) continue;
      seen[next] = true;
      left.push_back(next);
    }
  }
}

void Rewrites::check_text(std::size_t at) const {
  if (at >= texts_.size()) refuse_model("its rewrites point outside their texts");
  if ((static_cast<unsigned char>(texts_[at]) & 0xC0U) == 0x80U) refuse_model("its rewrites point into a character");
}

std::optional<std::string_view> Rewrites::find(std::string_view text) const {
  std::size_t place = offset(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    place ^= byte;
    const std::uint32_t unit = units_[place];
    if (byte == 0 || !has_label(unit, byte)) return std::nullopt;
    place ^= offset(unit);
    if (ends_key(unit)) return texts_.c_str() + value(units_[place]);
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
