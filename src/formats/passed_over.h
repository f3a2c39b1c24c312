// What a file of weights holds beside tensors that can be read. It does no harm until it is asked for as a weight.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scalekv::formats {

struct PassedOver {
  std::string name;              // as a tensor's would be; may hold any bytes
  std::string what;              // "an object of class \"numpy.ndarray\"", "a tensor of type F8_E4M3"
  std::string_view advice = {};  // how it becomes a weight that can be read; static text
};

// Sorts by name, as find_passed_over() needs it.
void sort_passed_over(std::vector<PassedOver>& things);

// nullptr where there is none of that name.
const PassedOver* find_passed_over(const std::vector<PassedOver>& sorted, std::string_view name);

// Fails for a file, `where`, that holds nothing else, saying what the first of these is. At least one.
[[noreturn]] void refuse_without_tensors(const std::string& where, const std::vector<PassedOver>& others);

// What to do about a thing that was wanted as a weight.
std::string_view advice_for(const PassedOver& thing);

}  // namespace scalekv::formats
