#include "checkpoint/strict_json.h"

#include <algorithm>
#include <set>
#include <vector>

#include "core/error.h"

namespace scalekv::checkpoint {
namespace {

constexpr int kMaxJsonDepth = 16;
constexpr std::int64_t kMaxValues = 4'000'000;
constexpr std::size_t kMaxShown = 160;
constexpr std::size_t kMaxName = 512;

}  // namespace

nlohmann::json parse_strict_json(std::string_view text, const std::string& where, KeyOrder* order) {
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::int64_t values = 0;
  const auto watch = [&](int depth, Event event, nlohmann::json& parsed) {
    if (depth > kMaxJsonDepth) fail("{}: the JSON is nested deeper than {} levels", where, kMaxJsonDepth);
    if (++values > kMaxValues) fail("{}: the JSON holds more than {} values", where, kMaxValues);
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && order != nullptr && static_cast<std::size_t>(depth) <= order->size()) {
      order->at(static_cast<std::size_t>(depth) - 1).push_back(parsed.get<std::string>());
    }
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      fail("{}: the name {} occurs twice", where, in_quotes(parsed.get<std::string>()));
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception&) {
    fail("{} is not valid JSON; the file is damaged or was cut short", where);
  }
}

std::string in_quotes(std::string_view name) {
  const std::string shown(name.substr(0, kMaxShown));
  const std::string dumped = nlohmann::json(shown).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return name.size() > kMaxShown ? dumped + "..." : dumped;
}

bool is_sane_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) return false;
  try {
    static_cast<void>(nlohmann::json(std::string(name)).dump());  // strict: throws on invalid UTF-8
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace scalekv::checkpoint
