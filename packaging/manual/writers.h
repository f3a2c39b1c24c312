// The manual page and the completions of shells.
#pragma once

#include <string>

#include "program_tree.h"

namespace scalekv::manual {

// `page` with the parts that come from the program in the place of lines @COMMAND_LIST@, @OPTIONS@, @COMMANDS@,
// @SHARED_OPTIONS@ and @EXAMPLES@.
std::string man_page(const Program& program, const std::string& page);

std::string bash_completion(const Program& program);
std::string zsh_completion(const Program& program);
std::string fish_completion(const Program& program);

}  // namespace scalekv::manual
