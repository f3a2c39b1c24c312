// Files that grow line by line, whose last line may have been cut short.
#pragma once

#include <string_view>
#include <vector>

namespace scalekv {

// The lines that end with a newline, without it; parts of `text`. What follows the last newline is left out.
inline std::vector<std::string_view> whole_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace scalekv
