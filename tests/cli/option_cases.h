// options.cases: what shows that an option acts, for every option of every command.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace scalekv::testing {

struct OptionCase {
  int line = 0;
  std::string command;
  std::vector<std::string> options;  // that the case is for
  std::string base;                  // arguments of the run to compare with, the command included
  std::string changed;               // what the other run has besides
  std::string effect;                // its first word says how it shows
  std::string of;                    // the rest
};

// Throws std::runtime_error naming the line that is no case.
std::vector<OptionCase> read_option_cases(const std::filesystem::path& path);

// As a shell does it with words and double quotes.
std::vector<std::string> split_arguments(const std::string& text);

}  // namespace scalekv::testing
