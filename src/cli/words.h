// Settings that sentences of the library name (scalekv/errors.h), as options of the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace scalekv::cli {

// "precision" -> "--kv".
std::string option_of(const std::string& setting);

// The sentence with options in place of settings, and commands in place of functions. command: the one that ran, whose
// model a command names; null: none did.
std::string in_options(std::string sentence, const CLI::App* command = nullptr);

}  // namespace scalekv::cli
