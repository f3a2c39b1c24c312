#include "base/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <random>
#include <type_traits>

#include "base/error.h"
#include "base/utf8.h"

namespace scalekv {
namespace {

constexpr std::string_view kSpaces = " \t\n\v\f\r";

std::string_view trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

// The number at the start of `text`, which is cut off; nothing where there is none.
template <typename Number>
std::optional<Number> take_number(std::string_view& text) {
  const bool plus = text.starts_with('+');
  if (plus) text.remove_prefix(1);
  if (plus && text.starts_with('-')) return {};
  Number value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc()) return {};
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(value)) return {};
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

// "a whole number from 1 to 1024", "a number of at least 0".
template <typename Number>
std::string describe(const Range<Number>& range) {
  const std::string kind = std::is_floating_point_v<Number> ? "a number" : "a whole number";
  const Range<Number> all;
  if (std::is_floating_point_v<Number> && range.most == all.most) {
    return range.least == all.least ? kind : fmt::format("{} of at least {}", kind, range.least);
  }
  return fmt::format("{} from {} to {}", kind, range.least, range.most);
}

// Bytes of a unit in lower case; 0 where there is no such unit.
double bytes_of(std::string_view unit) {
  if (unit.ends_with('b')) unit.remove_suffix(1);
  const double base = unit.ends_with('i') ? 1024.0 : 1000.0;
  if (unit.ends_with('i')) unit.remove_suffix(1);
  if (unit.empty()) return base == 1000.0 ? 1.0 : 0.0;
  const std::size_t power = std::string_view("kmgt").find(unit.front());
  return unit.size() == 1 && power != std::string_view::npos ? std::pow(base, static_cast<double>(power + 1)) : 0.0;
}

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();

}  // namespace

template <typename Number>
std::optional<Number> find_number(std::string_view text) {
  text = trim(text);
  const std::optional<Number> number = take_number<Number>(text);
  return text.empty() ? number : std::nullopt;
}

template <typename Number>
Number read_number(std::string_view text, std::string_view what, Range<Number> range) {
  const std::optional<Number> number = find_number<Number>(text);
  if (!number || *number < range.least || *number > range.most) {
    fail_usage("{}: '{}' is not possible; write {}", what, text, describe(range));
  }
  return *number;
}

#define SCALEKV_NUMBER(Number)                                       \
  template std::optional<Number> find_number(std::string_view text); \
  template Number read_number(std::string_view text, std::string_view what, Range<Number> range);
SCALEKV_NUMBER(int)
SCALEKV_NUMBER(std::int64_t)
SCALEKV_NUMBER(std::uint64_t)
SCALEKV_NUMBER(float)
SCALEKV_NUMBER(double)
#undef SCALEKV_NUMBER

std::int64_t read_bytes(std::string_view text, std::string_view what) {
  std::string_view rest = trim(text);
  const std::optional<double> number = take_number<double>(rest);
  const double bytes = number.value_or(0.0) * bytes_of(ascii_lower(std::string(trim(rest))));
  if (!(bytes >= 1.0) || bytes > 1e18) {
    fail_usage("{}: '{}' is no amount of memory; write 8GB, 8GiB, 512M or a number of bytes", what, text);
  }
  return static_cast<std::int64_t>(bytes);
}

std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> parts;
  list = trim(list);
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    parts.emplace_back(part);
    list.remove_prefix(std::min(part.size() + 1, list.size()));
  }
  return parts;
}

std::optional<std::uint64_t> read_seed(std::string_view text, std::string_view what) {
  if (find_number<int>(text) == -1) return {};
  const auto seed = find_number<std::uint64_t>(text);
  if (!seed) {
    fail_usage("{}: '{}' is no seed; write a whole number from 0 to {}, or -1 for one by chance", what, text, kLargest);
  }
  return seed;
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint32_t>()(device);
}

void check_seeds(std::uint64_t first, std::size_t count) {
  if (count > 0 && first > kLargest - (count - 1)) {
    fail_usage(
        "the seed {} leaves fewer than the {} seeds that are needed, which follow it up to {}; choose a lower one",
        first, count, kLargest);
  }
}

}  // namespace scalekv
