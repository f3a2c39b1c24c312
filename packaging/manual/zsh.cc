// Completion for zsh, by its own _arguments.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "writers.h"

namespace scalekv::manual {
namespace {

// One word of a script, whatever it holds.
std::string zsh_word(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string with_backslashes(const std::string& text, const std::string& before) {
  std::string result;
  for (const char c : text) {
    if (before.find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

// A function for each set of values, and its name.
using ValueFunctions = std::map<std::string, std::string>;

std::string value_function(const Option& option, ValueFunctions& functions) {
  std::string words;
  for (const Value& value : option.values) {
    const std::string name = with_backslashes(value.name, ":\\");
    words += "\n    " + zsh_word(value.about.empty() ? name : name + ":" + value.about);
  }
  return functions.try_emplace(words, fmt::format("_scalekv_values_{}", functions.size())).first->second;
}

std::string zsh_action(const Option& option, ValueFunctions& functions) {
  switch (option.takes) {
    case Takes::value: {
      const std::string function = value_function(option, functions);
      return option.listed ? "_sequence " + function : function;
    }
    case Takes::file:
      return "_files";
    case Takes::folder:
      return "_files -/";
    default:
      return " ";
  }
}

// A line for each name. What may not be repeated excludes its other names.
std::string zsh_option(const Option& option, ValueFunctions& functions) {
  std::string text;
  for (const std::string& name : option.names) {
    std::string line = option.names.back() == "--help" ? "(- *)"
                       : option.repeated               ? "*"
                                                       : fmt::format("({})", fmt::join(option.names, " "));
    line += name;
    if (option.takes != Takes::nothing) line += name.starts_with("--") ? "=" : "+";
    line += "[" + with_backslashes(option.brief(), "[]\\:") + "]";
    if (option.takes != Takes::nothing)
      line += ":" + with_backslashes(option.kind, ":") + ":" + zsh_action(option, functions);
    text += " \\\n        " + zsh_word(line);
  }
  return text;
}

std::string zsh_case(const Command& command, ValueFunctions& functions) {
  std::string text = fmt::format("    {})\n      _arguments -S", command.name);
  for (const Option& option : command.options) text += zsh_option(option, functions);
  for (const Option& argument : command.arguments) {
    text += " \\\n        " +
            zsh_word(fmt::format("{}{}:{}",
                                 argument.repeated   ? "*"
                                 : argument.required ? ":"
                                                     : "::",
                                 argument.repeated ? ":" + argument.names.front() : argument.names.front(),
                                 zsh_action(argument, functions)));
  }
  return text + "\n      ;;\n";
}

}  // namespace

std::string zsh_completion(const Program& program) {
  ValueFunctions functions;
  std::string cases, commands;
  for (const Command& command : program.commands) {
    cases += zsh_case(command, functions);
    commands += "\n    " + zsh_word(command.name + ":" + command.about);
  }
  std::string text = "#compdef scalekv\n# zsh completion for scalekv; written by its build.\n";
  const auto add_function = [&](const std::string& name, const std::string& words, const std::string& what) {
    text += fmt::format("\n{}() {{\n  local -a known=({}\n  )\n  _describe {} known \"$@\"\n}}\n", name, words, what);
  };
  for (const auto& [words, name] : functions) add_function(name, words, "value");
  add_function("_scalekv_commands", commands, "command");
  text += "\n_scalekv() {\n  local curcontext=$curcontext state line\n  typeset -A opt_args\n  _arguments -C";
  for (const Option& option : program.itself.options) text += zsh_option(option, functions);
  text +=
      " \\\n    '1: :_scalekv_commands' '*:: :->arguments' && return\n"
      "  [[ $state == arguments ]] || return\n"
      "  curcontext=\"${curcontext%:*}-$words[1]:\"\n  case $words[1] in\n";
  return text + cases + "  esac\n}\n\n_scalekv \"$@\"\n";
}

}  // namespace scalekv::manual
