// JSON from files that are not trusted.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace scalekv {

// Parses `text`, in time that grows with its length. Throws Error naming `where` on anything that is not JSON, on an
// object that names a key twice, on nesting deeper than 16 and on more than 4 million values.
nlohmann::json parse_strict_json(std::string_view text, const std::string& where);

// The same for lists that may be long: of up to 20 million values, and members stay in the order of the text.
nlohmann::ordered_json parse_strict_list(std::string_view text, const std::string& where);

// A name from a file as it may be shown in a message: quoted, control characters escaped, cut to a sane length.
std::string in_quotes(std::string_view name);

// Whether a tensor name is usable: 1 to 512 bytes of UTF-8 without control characters.
bool is_sane_name(std::string_view name);

}  // namespace scalekv
