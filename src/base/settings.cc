#include "base/settings.h"

#include <fmt/format.h>

namespace scalekv {
namespace {

std::string shown(const Settings& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? "nothing" : found->second;
}

}  // namespace

std::string differences(const Settings& before, const Settings& now) {
  Settings all = before;
  all.insert(now.begin(), now.end());
  std::string different;
  for (const auto& [key, ignored] : all) {
    if (shown(before, key) == shown(now, key)) continue;
    if (!different.empty()) different += "; ";
    different += fmt::format("{} was {} and is {}", key, shown(before, key), shown(now, key));
  }
  return different;
}

}  // namespace scalekv
