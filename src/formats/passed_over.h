// What a file of weights holds beside tensors that can be read. It does no harm until it is asked for as a weight.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::formats {

struct PassedOver {
  std::string name;              // as a tensor's would be; may hold any bytes
  std::string what;              // "an object of class \"numpy.ndarray\"", "a tensor of type F8_E4M3"
  std::string_view advice = {};  // how it becomes a weight that can be read; static text
};

// The one of that name in a list sorted by name; nullptr where there is none.
template <typename Named>
const Named* find_named(const std::vector<Named>& sorted, std::string_view name) {
  const auto found = std::ranges::lower_bound(sorted, name, {}, &Named::name);
  return found != sorted.end() && found->name == name ? &*found : nullptr;
}

// Fails for a file, `where`, that holds nothing else, saying what the first of these is. At least one.
[[noreturn]] void refuse_without_tensors(const std::string& where, const std::vector<PassedOver>& others);

// What to do about a thing that was wanted as a weight.
std::string_view advice_for(const PassedOver& thing);

}  // namespace scalekv::formats
