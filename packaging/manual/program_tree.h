// The program's commands and options as the writers of the manual page and of the completions need them, read off the
// tree of CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace scalekv::manual {

struct Value {
  std::string name;
  std::string about = {};  // one line, or nothing
};

// What an option or an argument takes.
enum class Takes { nothing, text, file, folder, value };

struct Option {
  std::vector<std::string> names;  // "-o", "--out"; of an argument its name alone
  std::string kind;                // as --help shows it: FILE, INT, POLICY, ...; empty for a flag
  Takes takes = Takes::nothing;
  std::vector<Value> values;  // those worth offering, where it takes a value
  bool checked = false;       // other values are refused before anything runs
  bool listed = false;        // several, separated by commas
  bool repeated = false;      // may be given again
  bool required = false;
  std::string group;
  std::string about;  // the first line; then, where there are more, a line a value: "name: what it is"
  std::string default_text;
  std::string needs;  // the option that must stand beside it

  bool operator==(const Option& other) const {
    return names == other.names && kind == other.kind && group == other.group && text() == other.text();
  }
  // All that is said of it: about, values it is checked for, default, what it needs.
  std::string text() const;
  // `about` in a few words, for a list: its first line up to a semicolon or colon.
  std::string brief() const;
};

struct Command {
  std::string name;
  std::string about;
  std::string footer;
  std::vector<Option> arguments;
  std::vector<Option> options;  // --help is the first

  // What all arguments take; a file where they differ, which a shell finds folders by, too.
  Option any_argument() const;
};

struct Program {
  Command itself;
  std::vector<Command> commands;
};

// Throws std::runtime_error for a type name that stands for nothing known: kinds are listed in program_tree.cc.
Program read_program(const CLI::App& app);

}  // namespace scalekv::manual
