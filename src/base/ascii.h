// Text compared without regard to case: endings of files, names of columns, units.
#pragma once

#include <string>

namespace scalekv {

// A to Z in small letters; all other characters stay, whatever the locale.
inline std::string ascii_lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace scalekv
