// Fields of JSON objects from files that are not trusted: every function throws Error that says where (`at`: the
// file and the place in it), which field, and what it should be.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv {

const nlohmann::json& json_member(const nlohmann::json& object, std::string_view key, std::string_view at);
std::string json_text(const nlohmann::json& object, std::string_view key, std::string_view at);
// A whole number from `least` to `most`.
std::int64_t json_integer(const nlohmann::json& object, std::string_view key, std::string_view at, std::int64_t least,
                          std::int64_t most);
// A list; of `size` entries where that is not 0.
const nlohmann::json& json_list(const nlohmann::json& object, std::string_view key, std::string_view at,
                                std::size_t size = 0);
// `size` finite numbers from 0 up. No list at all is needed where size is 0.
std::vector<double> json_numbers(const nlohmann::json& object, std::string_view key, std::string_view at,
                                 std::size_t size);
// One finite number from 0 up.
double json_number(const nlohmann::json& object, std::string_view key, std::string_view at);

}  // namespace scalekv
