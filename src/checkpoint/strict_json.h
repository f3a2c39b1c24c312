// JSON from files that nobody vouches for.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::checkpoint {

// Keys as they follow each other in a text: those of the object that is the document, and of the objects that are its
// members. (A parsed object has them in the order of their bytes.)
using KeyOrder = std::array<std::vector<std::string>, 2>;

constexpr std::int64_t kMaxJsonValues = 4'000'000;

// Parses `text`, in time that grows with its length. Throws Error naming `where` on anything that is not JSON, on an
// object that names a key twice, on nesting deeper than 16 and on more than `max_values` values. Fills `order` where it
// is given and the document is an object.
nlohmann::json parse_strict_json(std::string_view text, const std::string& where,
                                 std::int64_t max_values = kMaxJsonValues, KeyOrder* order = nullptr);

// A name from a file as it may be shown in a message: quoted, control characters escaped, cut to a sane length.
std::string in_quotes(std::string_view name);

// Whether a tensor name is usable: 1 to 512 bytes of UTF-8 without control characters.
bool is_sane_name(std::string_view name);

}  // namespace scalekv::checkpoint
