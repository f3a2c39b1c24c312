// Settings as texts by name: what a picture or a run was made with.
#pragma once

#include <map>
#include <string>

namespace scalekv {

using Settings = std::map<std::string, std::string>;

// "cfg was 3 and is 4; kv was nothing and is int8": empty where the two are equal.
std::string differences(const Settings& before, const Settings& now);

}  // namespace scalekv
