// Completion for bash 4 and later. It leaves files and folders to bash, which quotes their names, and needs nothing of
// the package bash-completion.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "writers.h"

namespace scalekv::manual {
namespace {

constexpr const char* kFunctions = R"(# bash completion for scalekv; written by its build.

# _scalekv_offer PREFIX WORDS BEGINNING: those of WORDS that begin so, after PREFIX
_scalekv_offer() {
  mapfile -t COMPREPLY < <(compgen -P "$1" -W "$2" -- "$3")
}

# The same for one of several that commas separate.
_scalekv_offer_list() {
  local before=
  [[ $2 == *,* ]] && before=${2%,*},
  compopt -o nospace
  _scalekv_offer "$before" "$1" "${2##*,}"
}

_scalekv() {
  local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} options='' arguments=none
  COMPREPLY=()
  # --option=value comes in three words.
  if [[ $word == = ]]; then
    word=''
  elif [[ $option == = ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  fi
)";

constexpr const char* kEnd = R"(  esac
  if [[ $word == -* || $arguments == none ]]; then
    _scalekv_offer '' "$options" "$word"
  elif [[ $arguments == file ]]; then
    compopt -o default
  elif [[ $arguments == folder ]]; then
    compopt -o dirnames
  fi
}

complete -F _scalekv scalekv
)";

// What completes a value; nothing for a text that only its author knows.
std::string bash_action(const Option& option) {
  std::vector<std::string> names;
  for (const Value& value : option.values) names.push_back(value.name);
  const std::string all = fmt::format("'{}'", fmt::join(names, " "));
  switch (option.takes) {
    case Takes::value:
      return option.listed ? fmt::format("_scalekv_offer_list {} \"$word\"; ", all)
                           : fmt::format("_scalekv_offer '' {} \"$word\"; ", all);
    case Takes::file:
      return "compopt -o default; ";
    case Takes::folder:
      return "compopt -o dirnames; ";
    default:
      return "";
  }
}

std::string bash_arguments(const Command& command) {
  if (command.arguments.empty()) return "none";
  const Takes takes = command.any_argument().takes;
  return takes == Takes::file ? "file" : takes == Takes::folder ? "folder" : "text";
}

std::string bash_names(const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const Option& option : options) names.insert(names.end(), option.names.begin(), option.names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

std::string bash_case(const Command& command) {
  std::map<std::string, std::vector<std::string>> options_by_action;
  for (const Option& option : command.options) {
    if (option.takes == Takes::nothing) continue;
    std::vector<std::string>& names = options_by_action[bash_action(option)];
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  std::string text = fmt::format("    {})\n      options='{}'\n      arguments='{}'\n", command.name,
                                 bash_names(command.options), bash_arguments(command));
  text += "      case $option in\n";
  for (const auto& [action, names] : options_by_action) {
    text += fmt::format("        {}) {}return ;;\n", fmt::join(names, " | "), action);
  }
  return text + "      esac\n      ;;\n";
}

}  // namespace

std::string bash_completion(const Program& program) {
  std::vector<std::string> commands;
  for (const Command& command : program.commands) commands.push_back(command.name);
  std::string text = kFunctions;
  text += fmt::format("  if ((COMP_CWORD == 1)); then\n    _scalekv_offer '' '{} {}' \"$word\"\n    return\n  fi\n",
                      fmt::join(commands, " "), bash_names(program.itself.options));
  text += "  case ${COMP_WORDS[1]} in\n";
  for (const Command& command : program.commands) text += bash_case(command);
  return text + kEnd;
}

}  // namespace scalekv::manual
