// Options that are numbers. CLI11's own conversion takes "" for 0, 010 for 8 and cuts what is too large; ours takes
// what base/numbers.h does, within a range, and says so where it does not.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/numbers.h"

namespace scalekv::cli {

// "-n,--count" -> "--count", as messages name an option.
inline std::string long_name(const std::string& names) { return names.substr(names.rfind("--")); }

// An option whose text `read` turns into something, throwing UsageError that names the option it is given.
template <typename Read>
CLI::Option* add_text(CLI::App& command, const std::string& names, const Read& read, const std::string& help) {
  const std::string name = long_name(names);
  return command.add_option_function<std::string>(
      names, [read, name](const std::string& text) { read(text, name); }, help);
}

// One number.
template <typename Number>
requires std::is_arithmetic_v<Number> CLI::Option* add_number(CLI::App& command, const std::string& names,
                                                              Number& value, const std::string& help,
                                                              Range<Number> range = {}) {
  const auto read = [&value, range](const std::string& text, const std::string& name) {
    value = read_number<Number>(text, name, range);
  };
  return add_text(command, names, read, help)
      ->type_name(std::is_floating_point_v<Number> ? "FLOAT" : "INT")
      ->default_function([&value] { return fmt::format("{}", value); });
}

template <typename Number>
CLI::Option* add_number(CLI::App& command, const std::string& names, std::optional<Number>& value,
                        const std::string& help, Range<Number> range = {}) {
  const auto read = [&value, range](const std::string& text, const std::string& name) {
    value = read_number<Number>(text, name, range);
  };
  return add_text(command, names, read, help)->type_name(std::is_floating_point_v<Number> ? "FLOAT" : "INT");
}

// Several, separated by commas or spaces.
template <typename Number>
CLI::Option* add_numbers(CLI::App& command, const std::string& names, std::vector<Number>& values,
                         const std::string& help, Range<Number> range = {}) {
  const auto read = [&values, range, name = long_name(names)](const std::vector<std::string>& texts) {
    values.clear();
    for (const std::string& text : texts) {
      const std::vector<std::string> parts = split_list(text);
      if (parts.empty()) read_number<Number>(text, name, range);  // throws: an empty text is no number
      for (const std::string& part : parts) values.push_back(read_number<Number>(part, name, range));
    }
  };
  return command.add_option_function<std::vector<std::string>>(names, read, help)
      ->type_name(std::is_floating_point_v<Number> ? "FLOAT" : "INT");
}

}  // namespace scalekv::cli
