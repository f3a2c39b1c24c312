// Numbers and seeds from text: one reader for what people write and for what stands in files.
//
// A number is written in decimal digits, if need be with a minus or a plus before it and white space around it; a real
// number may have a point and an exponent (0.5, .5, 1e-3). Nothing else is a number: not 0x10, nan or inf, not what has
// something behind it, not what does not fit the type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv {

// The number that `text` is, or nothing. Of int, std::int64_t, std::uint64_t, float and double.
template <typename Number>
std::optional<Number> find_number(std::string_view text);

// The numbers that may be given, both ends among them.
template <typename Number>
struct Range {
  Number least = std::numeric_limits<Number>::lowest();
  Number most = std::numeric_limits<Number>::max();
};

// The number that `text` is. Throws UsageError that names `what` it is for (an option), and what may be written.
template <typename Number>
Number read_number(std::string_view text, std::string_view what, Range<Number> range = {});

// Bytes: "8GB", "8G" (powers of 1000), "8GiB", "8Gi" (powers of 1024), "0.5 T", "512m", "1000000". Throws UsageError as
// read_number does.
std::int64_t read_bytes(std::string_view text, std::string_view what);

// The parts between commas. None of nothing but white space, and a comma at the end is not followed by one.
std::vector<std::string> split_list(std::string_view list);

// A seed, any number of 64 bits; nothing where it is "-1", which asks for one by chance. Throws UsageError that names
// `what` it is for.
std::optional<std::uint64_t> read_seed(std::string_view text, std::string_view what);

// One by chance, of 32 bits, so that other programs can take it too.
std::uint64_t random_seed();

// Throws UsageError unless there are `count` seeds from `first` on.
void check_seeds(std::uint64_t first, std::size_t count);

}  // namespace scalekv
