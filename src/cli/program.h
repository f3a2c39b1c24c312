// The program as the shell sees it: its commands, their options, what --help and --version say. main() runs it; the
// manual page and the completions of shells are written from it (packaging/manual/).
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

namespace scalekv::cli {

std::unique_ptr<CLI::App> make_program();

}  // namespace scalekv::cli
