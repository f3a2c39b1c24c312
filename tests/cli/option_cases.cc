#include "cli/option_cases.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace scalekv::testing {
namespace {

std::string trim(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// At every separator; empty parts stay. The last `shared` characters of a separator may begin the next one.
std::vector<std::string> split(const std::string& text, const std::string& separator, std::size_t shared = 0) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + separator.size() - shared) {
    end = text.find(separator, begin);
    parts.push_back(trim(text.substr(begin, end == std::string::npos ? end : end - begin)));
  }
  return parts;
}

struct Command {
  std::string base;
  std::string picture;
};

}  // namespace

std::vector<OptionCase> read_option_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::map<std::string, Command> commands;
  std::vector<OptionCase> cases;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const auto refuse = [&](const char* why) {
      throw std::runtime_error(fmt::format("{}, line {}: {}", path.string(), number, why));
    };
    if (trim(line).empty() || line.starts_with('#')) continue;
    if (const auto equals = line.find(" ="); line.starts_with("base ") || line.starts_with("picture ")) {
      if (equals == std::string::npos) refuse("no \" =\"");
      const std::string name = trim(line.substr(line.find(' '), equals - line.find(' ')));
      (line.starts_with("base ") ? commands[name].base : commands[name].picture) = trim(line.substr(equals + 2));
      continue;
    }
    const std::vector<std::string> columns = split(line, " | ", 1);
    if (columns.size() != 5) refuse("not five columns");
    for (const std::string& name : split(columns[0], ",")) {
      if (!commands.contains(name)) refuse("a command that has no line \"base COMMAND = ...\"");
      const Command& command = commands.at(name);
      OptionCase one{.line = number,
                     .command = name,
                     .options = split(columns[1], ","),
                     .base = columns[2].starts_with('!') ? name + columns[2].substr(1)
                                                         : fmt::format("{} {} {}", name, command.base, columns[2]),
                     .changed = columns[3],
                     .effect = columns[4].substr(0, columns[4].find(' ')),
                     .of = ""};
      one.of = trim(columns[4].substr(one.effect.size()));
      if (one.effect == "picture" && one.of.empty()) one.of = command.picture;
      cases.push_back(std::move(one));
    }
  }
  if (cases.empty()) throw std::runtime_error(path.string() + " holds no cases");
  return cases;
}

std::vector<std::string> split_arguments(const std::string& text) {
  std::vector<std::string> words;
  bool quoted = false, in_word = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
      if (quoted && !in_word) words.emplace_back();
      in_word = true;
    } else if (c == ' ' && !quoted) {
      in_word = false;
    } else {
      if (!in_word) words.emplace_back();
      in_word = true;
      words.back().push_back(c);
    }
  }
  return words;
}

}  // namespace scalekv::testing
