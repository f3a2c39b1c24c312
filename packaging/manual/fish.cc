// Completion for fish 3 and later.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "writers.h"

namespace scalekv::manual {
namespace {

constexpr const char* kHead = R"(# fish completion for scalekv; written by its build.

# The command is the first word after scalekv: a prompt may hold the names of others.
function __scalekv_runs
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[2] = $argv[1]
end

function __scalekv_has_no_command
    test (count (commandline -opc)) -eq 1
end

complete -c scalekv -f
)";

std::string fish_word(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
  return word + "'";
}

// A function for each set of values, and its name.
using FishFunctions = std::map<std::string, std::string>;

std::string fish_function(const Option& option, FishFunctions& functions) {
  std::string words;
  for (const Value& value : option.values) {
    words += " " + fish_word(value.name) + (value.about.empty() ? "" : "\\t" + fish_word(value.about));
  }
  return functions.try_emplace(words, fmt::format("__scalekv_values_{}", functions.size())).first->second;
}

// What completes a value, in the words of `complete`; of an option it is required (-x, -r).
std::string fish_action(const Option& option, FishFunctions& functions) {
  switch (option.takes) {
    case Takes::value: {
      const std::string function = fish_function(option, functions);
      return fmt::format(" -x -k -a '({})'", option.listed ? "__fish_complete_list , " + function : function);
    }
    case Takes::file:
      return " -r -F";
    case Takes::folder:
      return " -x -a '(__fish_complete_directories)'";
    case Takes::text:
      return " -x";
    default:
      return "";
  }
}

std::string fish_option(const Option& option, const std::string& condition, FishFunctions& functions) {
  std::string line = fmt::format("complete -c scalekv -n {}", fish_word(condition));
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  return line + fish_action(option, functions) + " -d " + fish_word(option.brief()) + "\n";
}

std::string fish_argument(const Command& command, const std::string& condition) {
  const std::string begin = fmt::format("complete -c scalekv -n {}", fish_word(condition));
  switch (command.any_argument().takes) {
    case Takes::file:
      return begin + " -F\n";
    case Takes::folder:
      return begin + " -a '(__fish_complete_directories)'\n";
    default:
      return "";
  }
}

}  // namespace

std::string fish_completion(const Program& program) {
  const std::string none = "__scalekv_has_no_command";
  FishFunctions functions;
  std::string lines;
  for (const Option& option : program.itself.options) lines += fish_option(option, none, functions);
  for (const Command& command : program.commands) {
    const std::string condition = "__scalekv_runs " + command.name;
    lines += fmt::format("\ncomplete -c scalekv -n {} -a {} -d {}\n", none, command.name, fish_word(command.about));
    for (const Option& option : command.options) lines += fish_option(option, condition, functions);
    lines += fish_argument(command, condition);
  }
  std::string text;
  for (const auto& [words, name] : functions)
    text += fmt::format("function {}\n    printf '%s\\n'{}\nend\n\n", name, words);
  return kHead + ("\n" + text) + lines;
}

}  // namespace scalekv::manual
