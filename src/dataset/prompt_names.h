// What a prompt is called in other people's files, and what of it is white space.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::dataset {

// `text` without the white space around it: that of Unicode, the spaces that have no width, byte order marks.
std::string_view trim(std::string_view text);

// Where a column or key stands among prompt, prompts, caption, captions, text; in any case, with white space around it.
// The first of several is taken. Nothing where it is none of them.
std::optional<int> prompt_rank(std::string_view name);

// "prompt, prompts, caption, captions or text", for messages.
std::string prompt_names();
// "found: "id", "title", ..." or "found none".
std::string found_names(const std::vector<std::string>& names);
// The same of an object's keys.
std::string found_names(const nlohmann::ordered_json& object);

// The member of an object that holds its prompt, by prompt_rank; null where there is none.
const nlohmann::ordered_json* find_prompt_member(const nlohmann::ordered_json& object);

// The prompt of a JSON value: a text, the first text of a list, or that of an object's prompt member. Throws Error
// naming `where`, and the keys that were found instead.
std::string prompt_of(const nlohmann::ordered_json& value, const std::string& where);

}  // namespace scalekv::dataset
