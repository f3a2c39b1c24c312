// The program, run as a person runs it, in a folder of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace scalekv::testing {

struct ProgramRun {
  std::filesystem::path folder;  // where it ran and left its files
  int exit_code = -1;
  std::string output, error;  // what it wrote on standard output and standard error
  int most_threads = 0;       // that it was seen to have
};

ProgramRun run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                       const std::filesystem::path& folder);

}  // namespace scalekv::testing
