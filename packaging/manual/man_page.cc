// The manual page in man(7) macros.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>

#include "writers.h"

namespace scalekv::manual {
namespace {

// What roff would read as its own is written so that it is printed, and can be copied from a terminal into a shell.
std::string escape(const std::string& text) {
  std::string escaped = text.starts_with('.') ? "\\&" : "";
  for (const char c : text) {
    switch (c) {
      case '\\':
        escaped += "\\(rs";
        break;
      case '-':
        escaped += "\\-";
        break;
      case '\'':
        escaped += "\\(aq";
        break;
      case '"':
        escaped += "\\(dq";
        break;
      case '`':
        escaped += "\\(ga";
        break;
      case '^':
        escaped += "\\(ha";
        break;
      case '~':
        escaped += "\\(ti";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// Without hyphens at the ends of lines: names are to be copied.
std::string bold(const std::string& text) { return "\\fB\\%" + escape(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + escape(text) + "\\fR"; }

// Where the option that begins at `at` ends; `at` where none does.
std::size_t end_of_option(const std::string& text, std::size_t at) {
  const bool apart = at == 0 || text[at - 1] == ' ' || text[at - 1] == '(';
  if (!apart || text.compare(at, 2, "--") != 0) return at;
  const std::size_t end = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at), text.size());
  return end > at + 2 ? end : at;
}

// A description: what stands in backquotes and names of options in bold.
std::string prose(const std::string& text) {
  std::string result, plain;
  const auto end_plain = [&] { result += escape(std::exchange(plain, "")); };
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t option = end_of_option(text, i);
    const std::size_t quote = text[i] == '`' ? text.find('`', i + 1) : std::string::npos;
    if (option > i) {
      end_plain();
      result += bold(text.substr(i, option - i));
      i = option;
    } else if (quote != std::string::npos) {
      end_plain();
      result += bold(text.substr(i + 1, quote - i - 1));
      i = quote + 1;
    } else {
      plain += text[i++];
    }
  }
  end_plain();
  return result;
}

// As a sentence of its own.
std::string sentence(std::string text) {
  if (!text.empty()) text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return prose(text) + (text.ends_with('.') ? "\n" : ".\n");
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string names_of(const Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.names) names.push_back(bold(name));
  return fmt::format("{}", fmt::join(names, ", "));
}

// An option or an argument with all that is said of it; the lines of a list of values are entries below it.
std::string entry(const Option& option) {
  const bool argument = !option.names.front().starts_with('-');
  std::string text = ".TP\n" + (argument ? italic(option.names.front()) : names_of(option));
  if (!argument && option.takes != Takes::nothing) text += " " + italic(option.kind);
  if (option.listed) text += ",...";
  if (option.repeated && !option.listed) text += "\\ ...";
  std::istringstream lines(option.text());
  std::string line;
  std::getline(lines, line);
  text += "\n" + prose(line) + "\n";
  bool listing = false;
  while (std::getline(lines, line)) {
    if (!std::exchange(listing, true)) text += ".RS\n";
    const std::size_t colon = std::min(line.find(": "), line.size());
    text += ".TP\n" + bold(line.substr(0, colon)) + "\n" + prose(line.substr(std::min(colon + 2, line.size()))) + "\n";
  }
  return listing ? text + ".RE\n" : text;
}

// A command line that is too long for a terminal goes on below, before one of its options.
std::string wrap(std::string line) {
  constexpr std::size_t kWidth = 66;
  std::string wrapped;
  while (line.size() > kWidth) {
    const std::size_t at = line.rfind(" -", kWidth - 2);
    if (at == std::string::npos || at < 4) break;
    wrapped += line.substr(0, at) + " \\\n";
    line = "    " + line.substr(at + 1);
  }
  return wrapped + line;
}

// Sentences, and examples as they are typed: what follows "Example: " or "Examples:".
std::string footer(const std::string& text) {
  std::istringstream lines(text);
  std::string page, line;
  bool example = false;
  while (std::getline(lines, line)) {
    const bool begins = line.starts_with("Example: ") || line == "Examples:";
    if (begins && !std::exchange(example, true)) page += ".PP\n.RS 4\n.EX\n";
    if (line == "Examples:") continue;
    if (begins) line.erase(0, line.find(' ') + 1);
    page += example ? escape(wrap(line.starts_with("  ") ? line.substr(2) : line)) : ".PP\n" + prose(line);
    page += "\n";
  }
  return example ? page + ".EE\n.RE\n" : page;
}

// Options of a group that several commands have alike: they are explained once.
std::vector<Option> shared_options(const Program& program) {
  std::vector<Option> seen, shared;
  const auto holds = [](const std::vector<Option>& list, const Option& option) {
    return std::find(list.begin(), list.end(), option) != list.end();
  };
  for (const Command& command : program.commands) {
    for (const Option& option : command.options) {
      if (option.group == "Options") continue;
      if (!holds(seen, option)) {
        seen.push_back(option);
      } else if (!holds(shared, option)) {
        shared.push_back(option);
      }
    }
  }
  return shared;
}

std::vector<std::string> groups_of(const std::vector<Option>& options) {
  std::vector<std::string> groups;
  for (const Option& option : options) {
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) groups.push_back(option.group);
  }
  return groups;
}

std::string usage(const Command& command) {
  std::string text = "scalekv " + escape(command.name) + " [OPTION]...";
  for (const Option& argument : command.arguments) {
    const std::string name = escape(argument.names.front()) + (argument.repeated ? "..." : "");
    text += argument.required ? " " + name : " [" + name + "]";
  }
  return text;
}

// What a command takes of the shared options, by name.
std::string references(const std::vector<Option>& options) {
  std::string text;
  for (const std::string& group : groups_of(options)) {
    std::vector<std::string> names;
    for (const Option& option : options) {
      if (option.group == group) names.push_back(bold(option.names.back()));
    }
    text += fmt::format(".PP\nAnd of {}: {}.\n", escape(upper(group) + " OPTIONS"), fmt::join(names, ", "));
  }
  return text;
}

std::string section(const Command& command, const std::vector<Option>& shared) {
  std::string text = ".SS \"" + usage(command) + "\"\n" + sentence(command.about);
  for (const Option& argument : command.arguments) text += entry(argument);
  std::vector<Option> own, elsewhere;
  for (const Option& option : command.options) {
    const bool is_shared = std::find(shared.begin(), shared.end(), option) != shared.end();
    if (option.names.back() != "--help") (is_shared ? elsewhere : own).push_back(option);
  }
  std::stable_partition(own.begin(), own.end(), [](const Option& option) { return option.group == "Options"; });
  const std::vector<std::string> shared_groups = groups_of(shared);
  std::string title = "Options";
  for (const Option& option : own) {
    const bool titled = std::find(shared_groups.begin(), shared_groups.end(), option.group) == shared_groups.end();
    if (titled && std::exchange(title, option.group) != option.group) text += ".PP\n" + escape(option.group) + ":\n";
    text += entry(option);
  }
  return text + references(elsewhere) + footer(command.footer);
}

std::string commands(const Program& program) {
  const std::vector<Option> shared = shared_options(program);
  std::string text;
  for (const Command& command : program.commands) text += section(command, shared);
  return text;
}

std::string shared_sections(const Program& program) {
  const std::vector<Option> shared = shared_options(program);
  std::string text;
  for (const std::string& group : groups_of(shared)) {
    text += ".SH " + escape(upper(group)) + " OPTIONS\nThe section of a command says which of them it takes.\n";
    for (const Option& option : shared) {
      if (option.group == group) text += entry(option);
    }
  }
  return text;
}

std::string command_list(const Program& program) {
  std::size_t width = 0;
  for (const Command& command : program.commands) width = std::max(width, command.name.size() + 2);
  std::string text = ".PD 0\n";
  for (const Command& command : program.commands) {
    text += fmt::format(".TP {}\n{}\n{}\n", width, bold(command.name), prose(command.about));
  }
  return text + ".PD\n";
}

std::string general_options(const Program& program) {
  std::string text;
  for (const Option& option : program.itself.options) text += entry(option);
  return text;
}

}  // namespace

std::string man_page(const Program& program, const std::string& page) {
  std::istringstream lines(page);
  std::string text, line;
  while (std::getline(lines, line)) {
    text += line == "@COMMAND_LIST@"     ? command_list(program)
            : line == "@OPTIONS@"        ? general_options(program)
            : line == "@COMMANDS@"       ? commands(program)
            : line == "@SHARED_OPTIONS@" ? shared_sections(program)
            : line == "@EXAMPLES@"       ? footer(program.itself.footer)
                                         : line + "\n";
  }
  return text;
}

}  // namespace scalekv::manual
