#include "dataset/prompt_names.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strict_json.h"
#include "base/utf8.h"

namespace scalekv::dataset {
namespace {

constexpr std::array<std::string_view, 5> kPromptNames = {"prompt", "prompts", "caption", "captions", "text"};
// Zero width space, word joiner, byte order mark.
constexpr std::array<std::string_view, 3> kNoWidth = {"\xE2\x80\x8B", "\xE2\x81\xA0", "\xEF\xBB\xBF"};
constexpr std::size_t kMostShown = 12;

// A text, or the first of a list of texts; else null.
const nlohmann::ordered_json* find_text(const nlohmann::ordered_json& value) {
  const nlohmann::ordered_json& one = value.is_array() && !value.empty() ? value.front() : value;
  return one.is_string() ? &one : nullptr;
}

}  // namespace

std::string_view trim(std::string_view text) {
  std::size_t before = 0;
  do {
    before = text.size();
    text = strip_right(strip_left(text));
    for (const std::string_view space : kNoWidth) {
      if (text.starts_with(space)) text.remove_prefix(space.size());
      if (text.ends_with(space)) text.remove_suffix(space.size());
    }
  } while (text.size() < before);
  return text;
}

std::optional<int> prompt_rank(std::string_view name) {
  const auto found = std::find(kPromptNames.begin(), kPromptNames.end(), ascii_lower(std::string(trim(name))));
  if (found == kPromptNames.end()) return {};
  return static_cast<int>(found - kPromptNames.begin());
}

std::string prompt_names() {
  return fmt::format("{} or {}", fmt::join(kPromptNames.begin(), kPromptNames.end() - 1, ", "), kPromptNames.back());
}

std::string found_names(const std::vector<std::string>& names) {
  if (names.empty()) return "found none";
  std::string list = "found:";
  for (std::size_t i = 0; i < std::min(names.size(), kMostShown); ++i) {
    list += (i == 0 ? " " : ", ") + in_quotes(names[i]);
  }
  return names.size() > kMostShown ? list + ", ..." : list;
}

std::string found_names(const nlohmann::ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, ignored] : object.items()) keys.push_back(key);
  return found_names(keys);
}

const nlohmann::ordered_json* find_prompt_member(const nlohmann::ordered_json& object) {
  const nlohmann::ordered_json* found = nullptr;
  std::optional<int> best;
  for (const auto& [key, value] : object.items()) {
    const std::optional<int> rank = prompt_rank(key);
    if (!rank || (best && *best <= *rank)) continue;
    best = rank;
    found = &value;
  }
  return found;
}

std::string prompt_of(const nlohmann::ordered_json& value, const std::string& where) {
  if (const nlohmann::ordered_json* text = find_text(value)) return *text;
  if (!value.is_object()) fail("{}: this is no text and no JSON object with one", where);
  const nlohmann::ordered_json* member = find_prompt_member(value);
  const nlohmann::ordered_json* text = member == nullptr ? nullptr : find_text(*member);
  if (text != nullptr) return *text;
  fail("{}: the JSON object has no text named {}; {}", where, prompt_names(), found_names(value));
}

}  // namespace scalekv::dataset
